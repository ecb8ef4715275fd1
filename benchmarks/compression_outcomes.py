"""What compression costs in outcomes: docs/compression.md's tables.

``python -m benchmarks.compression_outcomes CHECKPOINT WORK BUNDLE …`` lets the checkpoint and each
bundle, as saved on disk, do the judged items, and counts those that change sides; ``--noise`` does
the same with a checkpoint whose matrices have Gaussian noise of the size of the bundle's rounding.
What a model did is kept in WORK, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.evaluation import paired, run, scenes
from mobileo_export.evaluation.items import Item
from mobileo_export.evaluation.requirements import Wanted
from mobileo_export.pipelines.model import open_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_LIMIT = 20  # items a category: 360
_SEED = 0


def chart() -> list[Item]:
    """Flat areas of every color, where coarse weights that collapse show at a glance."""
    return [
        Item("draw", "chart", f"a {c} {s} on a {b} background", Wanted(((s, c),), b), seed=seed)
        for seed, (c, s, b) in enumerate(
            product(scenes.COLORS, scenes.SHAPES[:1], scenes.BACKGROUNDS)
        )
    ]


def did(source: Path, work: Path, todo: Sequence[Item]) -> paired.JudgedRun:
    """What the model in ``source`` makes of ``todo``."""
    kept = work / f"{source.name}-{len(todo)}.pickle"
    if kept.is_file():
        found: paired.JudgedRun = pickle.loads(kept.read_bytes())
        return found
    pictures: list[Any] = []

    def show(suite: str, done: int, total: int | None) -> None:
        print(f"\r{source.name}: {suite} {done} of {total}   ", end="", file=sys.stderr)

    with open_model(str(source), keep=True, needs=run.needs(todo)) as model:
        results = run.evaluate(model, todo, _SEED, show, lambda done: pictures.append(done.pixels))
    print(file=sys.stderr)
    made = paired.JudgedRun(results, tuple(pictures))
    kept.write_bytes(pickle.dumps(made))
    return made


def noisy(checkpoint: Path, bundle: Path, output: Path) -> Path:
    """A copy of the checkpoint, each matrix with noise of the size of its rounding in ``bundle``.

    The language model's folder is read back, packages tell by their manifests' plans.
    """
    import shutil

    import torch
    from safetensors.torch import save_file

    if output.is_dir():
        return output
    opened = Checkpoint.open(checkpoint)
    rounding = dict(_rounding(opened, bundle))
    generator = torch.Generator().manual_seed(_SEED)
    tensors = {}
    for name in opened.top_level:
        values = torch.from_numpy(np.array(opened.read(name, "released")))
        if name in rounding and values.numel():
            spread = rounding[name] / math.sqrt(values.numel())
            values = values + torch.randn(values.shape, generator=generator) * spread
        tensors[name] = values.contiguous()
    shutil.copytree(
        checkpoint, output, ignore=shutil.ignore_patterns("*.safetensors", "*.index.json")
    )
    save_file(tensors, output / "model.safetensors", {"format": "pt"})
    return output


def _rounding(checkpoint: Checkpoint, bundle: Path) -> Iterator[tuple[str, float]]:
    """Name of a tensor in the checkpoint, and the L2 norm of what storing it changes."""
    from mobileo_export.bundle import manifest
    from mobileo_export.compression.plan import CompressionPlan, matrices, matrix_name
    from mobileo_export.compression.schemes import Scheme, compress
    from mobileo_export.parity.language_model import requantized

    content = manifest.read(bundle)
    for name, entry in content["components"].items():
        artifact, spec = entry["artifacts"][0], COMPONENTS[name]
        if name == "llm":
            for tensor in requantized.announced(checkpoint, artifact).tensors:
                values = checkpoint.read(tensor.source, "released")
                if values.ndim == 2:
                    kept = requantized.rounded(values, tensor.bits, tensor.group_size)
                    yield tensor.source, _norm(kept - values)
            continue
        rules = artifact["options"].get("rules", [])
        schemes = {rule["matrices"]: Scheme.parse(rule["scheme"]) for rule in rules}
        stated = CompressionPlan(bundle.name, {name: schemes})
        tensors = {
            matrix_name(n, spec.prefixes): n
            for n in spec.tensors(checkpoint.model)
            if n.endswith(".weight")
        }
        for matrix, shape in matrices(spec, checkpoint.model).items():
            source = tensors[matrix]
            values = checkpoint.read(source, "released")
            kept = compress(values, stated.scheme(name, matrix, shape)).expanded()
            yield source, _norm(kept - values)


def _norm(values: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(values.astype(np.float64)))


def collapse(ours: paired.JudgedRun, theirs: paired.JudgedRun) -> float:
    """The largest change of a picture's mean color, in 255ths."""
    both = zip(ours.pictures, theirs.pictures, strict=True)
    means = [
        np.abs(a.mean((0, 1)) - b.mean((0, 1))).max()
        for a, b in both
        if a is not None and b is not None
    ]
    return float(max(means))


def main() -> None:
    """Print a table, and the items that changed sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--noise", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    todo, colors = run.select(None, _LIMIT, _SEED), chart()
    theirs = [did(options.checkpoint, options.work, items) for items in (todo, colors)]
    print("| model | right | lost | won | 95 % interval | p | pictures: median, tenth | colors |")
    print("|---|---|---|---|---|---|---|---|")
    found = {}
    for bundle in options.bundles:
        sources = [bundle]
        if options.noise:
            sources.append(noisy(options.checkpoint, bundle, options.work / f"{bundle.name}-noise"))
        for source in sources:
            ours = [did(source, options.work, items) for items in (todo, colors)]
            pairs = paired.compare(ours[0], theirs[0])
            score, near = pairs.overall, pairs.closeness
            assert near is not None
            low, high = score.interval
            print(
                f"| {source.name} | {score.right} of {score.count} | {score.lost} | {score.won} "
                f"| {low:+.1%} to {high:+.1%} | {score.chance:.2g} "
                f"| {near.median:.1f}, {near.tenth:.1f} dB | {collapse(ours[1], theirs[1]):.1f} |",
                flush=True,
            )
            found[source.name] = pairs.to_json()
    (options.work / "outcomes.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
