"""What the Python package computes, for the Swift tests to compare with.

python ios_app/Tests/Python/sweep.py FOLDER            # everything, into an empty folder
python ios_app/Tests/Python/sweep.py --small           # the vectors that are committed
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import pictures
from texts import texts

from mobileo_export.bench.measurement import Measurement, Published
from mobileo_export.parity import metrics
from mobileo_export.pipelines import images, noise, sampling, schedule
from mobileo_export.pipelines.tokens import Tokenizer
from mobileo_export.random_checkpoint import tokenizer as random_tokenizer
from mobileo_export.recipe import ImageSampling, Preprocessing

VECTORS = Path(__file__).resolve().parents[1] / "MobileOTests" / "Vectors"
MINIATURE = Path(__file__).resolve().parents[3] / "mobileo_export" / "assets" / "miniature"
SEEDS = (0, 1, 42, 1 << 63, (1 << 64) - 1)
RECIPE = ImageSampling(flow_shift=3.0, num_train_timesteps=1000)


def tokens(folder: Path, name: str, source: Path, large: bool) -> None:
    """Lines of [text, ids, decoded]; and of [ids, decoded], sequences that nobody would write."""
    tokenizer = Tokenizer(source)
    chance = random.Random(23)
    with (folder / f"tokens-{name}.jsonl").open("w", encoding="utf-8") as file:
        for text in texts(large):
            ids = tokenizer.encode_text(text)
            _line(file, [text, ids, tokenizer.decode(ids)])
    highest = max(tokenizer.special.values())
    with (folder / f"sequences-{name}.jsonl").open("w", encoding="utf-8") as file:
        for _ in range(20000 if large else 200):
            top = 256 if chance.random() < 0.5 else highest
            ids = [chance.randint(0, top) for _ in range(chance.randint(1, 24))]
            _line(file, [ids, tokenizer.decode(ids)])


def numbers(folder: Path, large: bool) -> None:
    """Noise, the stream that chooses tokens, schedules, solvers, sampling and pixels."""
    count = 1_000_000 if large else 64
    cases = []
    for seed in SEEDS:
        stream = noise.Uniform(seed)
        uniform = [stream() for _ in range(64)]
        if large:
            values = noise.normal(seed, (count,))
            (folder / f"noise-{seed}.bin").write_bytes(values.astype("<f4").tobytes())
        first = noise.normal(seed, (64,)).tolist()
        cases.append({"seed": str(seed), "normal": first, "uniform": uniform})
    _write(folder / "noise.json", cases)
    steps = range(1, 501) if large else (1, 2, 3, 7, 20)
    _write(folder / "solver.json", [_solver(n) for n in steps])
    _write(folder / "sampling.json", list(_draws(1000 if large else 30)))
    _write(folder / "pixels.json", _pixels())


def _solver(steps: int) -> dict[str, Any]:
    rng = np.random.default_rng(steps)
    solver = schedule.NumpySolver(RECIPE, steps)
    latent = rng.standard_normal(6).astype(np.float32)
    velocities = rng.standard_normal((steps, 6)).astype(np.float32)
    begun, latents = latent.tolist(), []
    for velocity in velocities:
        latent = solver.step(velocity, latent)
        latents.append(latent.tolist())
    return {
        "steps": steps,
        "sigmas": list(solver.sigmas),
        "timesteps": list(solver.timesteps),
        "latent": begun,
        "velocities": velocities.tolist(),
        "latents": latents,
    }


def _draws(count: int) -> Iterable[dict[str, Any]]:
    rng = np.random.default_rng(5)
    stream = noise.Uniform(5)
    for _ in range(count):
        size = rng.integers(1, 400 if count > 100 else 60)
        logits = np.round(rng.standard_normal(size) * 4, rng.integers(0, 6))
        logits = logits.astype(np.float32)
        temperature = float(rng.choice([0.0, 0.1, 0.7, 1.0, 3.0]))
        top_p = float(rng.choice([1e-6, 0.2, 0.9, 0.999, 1.0]))
        uniform = stream()
        token = sampling.choose(logits, temperature, top_p, iter([uniform]).__next__)
        yield {
            "logits": logits.tolist(),
            "temperature": temperature,
            "top_p": top_p,
            "uniform": uniform,
            "token": token,
        }


def _pixels() -> dict[str, Any]:
    levels = [(2 * n + 1) / 255 - 1 for n in range(-2, 258)]  # halfway between two levels
    rng = np.random.default_rng(3)
    values = np.array([*levels, -9, 9, 0, *rng.uniform(-1.2, 1.2, 37)], np.float32)
    image = np.tile(values, (1, 3, 1, 1)).reshape(1, 3, 4, 75) * np.float32(1)
    return {"image": image.reshape(-1).tolist(), "rgb": images.to_pixels(image).ravel().tolist()}


def figures(folder: Path, large: bool) -> None:
    """Arrays, their damaged copies, and what the comparison of the two measures."""
    rng = np.random.default_rng(11)
    shapes = [("sequence", (1, 5, 7)), ("sequence", (1, 2, 4, 3)), ("image", (1, 3, 9, 17)),
              ("image", (2, 2, 6, 6)), ("logits", (1, 20))]  # fmt: skip
    found = []
    for round_ in range(40 if large else 2):
        for layout, shape in shapes:
            truth = rng.standard_normal(shape).astype(np.float32)
            truth[..., 0] *= 1e-5
            value = truth + rng.standard_normal(shape).astype(np.float32) * 10.0 ** -(round_ % 6)
            if round_ % 8 == 3:
                value.flat[rng.integers(value.size)] = np.nan
            floor = float(rng.choice([1e-3, 1e-2, 0.2]))
            made = metrics.compare(truth, value, layout, floor)  # type: ignore[arg-type]
            plain = {
                "layout": layout,
                "shape": list(shape),
                "floor": floor,
                "reference": truth.ravel().tolist(),
                "found": [None if np.isnan(v) else float(v) for v in value.ravel()],
                "worst": [[w.family, list(w.index), _number(w.error)] for w in made.worst],
            }
            names = ("max_absolute", "relative_l2", "psnr")
            found.append(plain | {name: _number(getattr(made, name)) for name in names})
    _write(folder / "metrics.json", found)


def measurements(folder: Path, large: bool) -> None:
    """Runs of benchmarks, and how Python summarizes them: to the last bit, as JSON, as text."""
    rng = np.random.default_rng(19)
    counts = range(1, 300) if large else (1, 2, 3, 7, 8, 9, 20, 129, 300)
    found = []
    for count in counts:
        values = rng.gamma(2.0, 10.0 ** rng.integers(-4, 4), count)
        if count % 5 == 2:
            values = np.round(values, 1)  # equal ones among them
        published = Published(488.0, 9.0 if count % 2 else None, "a table") if count % 3 else None
        made = Measurement(
            f"stage_{count}", ("ms", "s", "tokens/s")[count % 3], "From here to there.",
            tuple(values.tolist()), count % 4, published,
        )  # fmt: skip
        found.append(
            {
                "json": made.as_json(),
                "text": made.text(),
                "exact": [made.mean, made.deviation, made.quantile(0.5), made.quantile(0.95)],
                "quantiles": [[q, made.quantile(q)] for q in (0.0, 0.1, 0.25, 1 / 3, 0.9, 1.0)],
            }
        )
    _write(folder / "measurements.json", found)


def photographs(folder: Path, large: bool) -> None:
    """Raw RGB pictures and what preprocessing makes of them; PNG files and their pixels.

    All bytes lie one behind the other in one file.
    """
    listed, files = [], []
    with (folder / "pictures.bin").open("wb") as pack:

        def add(content: bytes) -> int:
            pack.write(content)
            return len(content)

        for index, (height, width, size) in enumerate(pictures.sizes(large)):
            rgb = pictures.drawn(index, height, width)
            recipe = Preprocessing(size, 16, pad_color=(0, 0, 0) if index % 3 else (7, 130, 250))
            prepared = images.prepare(rgb, recipe)
            levels = np.rint(prepared / np.float32(recipe.rescale)).astype(np.uint8)
            again = levels.astype(np.float32) * np.float32(recipe.rescale)
            assert again.tobytes() == prepared.tobytes()
            sizes = [add(rgb.tobytes()), add(levels.tobytes())]
            listed.append([height, width, size, list(recipe.pad_color), *sizes])
        for name, content in pictures.png_files(large):
            scratch = folder / "scratch.png"
            scratch.write_bytes(content)
            rgb = images.read(scratch)
            files.append([name, *rgb.shape[:2], add(content), add(rgb.tobytes())])
            scratch.unlink()
    _write(folder / "pictures.json", {"resized": listed, "files": files})


def _number(value: float) -> float | str:
    return value if np.isfinite(value) else str(float(value))


def _line(file: Any, value: Any) -> None:
    file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="utf-8")


def check_pngs(folder: Path) -> int:
    """How many files that Swift wrote Pillow reads as they were drawn."""
    read = 0
    for path in sorted(folder.glob("*.png")):
        drawn = path.with_suffix(".rgb").read_bytes()
        with Image.open(path) as opened:
            opened.load()
            same = opened.mode == "RGB" and opened.tobytes() == drawn
            texts_ = {key: str(value) for key, value in opened.text.items()}  # type: ignore[attr-defined]
        if not same or texts_.get("prompt") != "a “red” circle\n😀" or texts_.get("seed") != "7":
            raise SystemExit(f"{path}: Pillow reads something else")
        read += 1
    return read


def main() -> None:
    """Write the small vectors, or everything."""
    parser = argparse.ArgumentParser(description="golden values for the Swift tests")
    parser.add_argument("folder", nargs="?", type=Path, help="where to write everything")
    parser.add_argument("--small", action="store_true", help="the committed vectors instead")
    parser.add_argument("--check", type=Path, help="a folder of PNG files that Swift wrote")
    options = parser.parse_args()
    if options.check:
        print(f"{check_pngs(options.check)} files, each as drawn")
        return
    large = not options.small
    folder = VECTORS if options.small else options.folder
    if folder is None:
        parser.error("name a folder, or --small")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    tokens(folder, "miniature", MINIATURE, large)
    numbers(folder, large)
    figures(folder, large)
    measurements(folder, large)
    photographs(folder, large)
    if large:
        (folder / "qwen2").mkdir()
        random_tokenizer.write_released(folder / "qwen2")
        tokens(folder, "qwen2", folder / "qwen2", large)
        slow = folder / "qwen2-slow"
        shutil.copytree(folder / "qwen2", slow, ignore=shutil.ignore_patterns("tokenizer.json"))
    (folder / "complete").touch()


if __name__ == "__main__":
    main()
