"""The paper's table on this machine: what is measured, from where to where, and how often."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import __version__
from mobileo_export.bench.measurement import Measurement, measure, report
from mobileo_export.bench.published import PAPER
from mobileo_export.bundle import manifest, seal
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import UsageError
from mobileo_export.jetson import board
from mobileo_export.jetson.tegrastats import Monitor
from mobileo_export.parity.cases import PROMPT, QUESTION
from mobileo_export.pipelines import generate, images, schedule
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import Model, open_model
from mobileo_export.processes.host import Host
from mobileo_export.progress import OnCount, OnProgress, Progress, ignore

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PHOTO = (768, 1024)  # height and width

VISION = (
    "vision_encoder",
    "ms",
    "From the pixel tensor in host memory to the image features in host memory: copies, vision "
    "encoder, synchronization",
)
PREPROCESSING = (
    "preprocessing",
    "ms",
    f"From a decoded picture of {_PHOTO[1]} x {_PHOTO[0]} to the pixel tensor: padding, resizing, "
    "scaling",
)
FIRST_TOKEN = (
    "time_to_first_token",
    "ms",
    "From pixel tensor and token ids in host memory to the first token in host memory: vision "
    "encoder, projector, splice, reading the prompt, choosing the most probable token; engines are "
    "loaded before",
)
TOKENS = (
    "decode_rate",
    "tokens/s",
    "Tokens after the first, one by one, divided by their time, each chosen on the host",
)
IMAGE = (
    "image",
    "s",
    "From the text of a prompt to pixels in host memory: language model, projector, every step of "
    "the DiT with guidance, decoder; loading engines is not counted and stands apart",
)
LOADING = (
    "loading",
    "s",
    "Engines that had to be loaded for the picture, because not all fit into memory at once",
)
_PUBLISHED = PAPER["Jetson Orin Nano"]


@dataclass(frozen=True)
class Settings:
    """How often, how long, how many."""

    runs: int = 30
    warmups: int = 5
    image_runs: int = 10
    image_warmups: int = 2
    tokens: int = 64
    steps: int | None = None
    seed: int = 0

    def check(self) -> None:
        """Raise UsageError unless something is measured."""
        if min(self.runs, self.image_runs, self.tokens) < 1:
            raise UsageError("--runs, --image-runs and --tokens: choose at least 1")
        if min(self.warmups, self.image_warmups) < 0:
            raise UsageError("--warmups and --image-warmups: choose 0 or more")
        if self.steps is not None:
            schedule.check_steps(self.steps)


def bench(
    bundle: Path,
    runtime: str,
    settings: Settings,
    *,
    resident: bool,
    progress: OnProgress = ignore,
    host: Host | None = None,
    monitor: Callable[[], Monitor] = Monitor,
) -> dict[str, Any]:
    """Measure everything; the document of ``bench/results.schema.json``.

    Args:
        bundle: a jetson bundle, its engines built.
        runtime: ``tensorrt`` or ``onnxruntime``.
        settings: how often.
        resident: keep all components in memory, because they fit.
        progress: called as runs are done.
        host: the machine to describe.
        monitor: samples memory, power and temperature meanwhile.

    Raises:
        MobileoError: the bundle or the runtime cannot be used.
    """
    settings.check()
    host = host or Host()
    before = machine(host)
    with (
        monitor() as samples,
        open_model(str(bundle), runtime, keep=resident, needs=tuple(COMPONENTS)) as model,
    ):
        loads = _timed_loading(model)
        found = [
            *_understanding(model, settings, progress),
            *_drawing(model, settings, progress, loads),
        ]
    summary = samples.summary
    notes = [] if summary else ["tegrastats is not there: no memory, power or temperature"]
    after = machine(host)
    if after.get("gpu_clock") != before.get("gpu_clock"):
        notes.append("the GPU's clock limits changed meanwhile")
    if runtime != "tensorrt":
        notes.append(f"run by {runtime} on the processor: the paper's figures are no measure of it")
    content = manifest.read(bundle)
    return report(
        program="mobileo-jetson",
        version=__version__,
        runtime=runtime,
        bundle={
            "manifest_sha256": seal.digest(bundle / manifest.MANIFEST),
            "source": content["source"]["name"],
            "precision": {
                name: entry["artifacts"][0]["compute_precision"]
                for name, entry in content["components"].items()
            },
        },
        machine=before,
        settings={
            **asdict(settings),
            "steps": _steps(model, settings),
            "guidance": model.recipe.sampling.guidance_scale,
            "prompt": PROMPT,
            "question": QUESTION,
            "resident": resident,
        },
        measurements=found,
        telemetry=summary.as_json() if summary else None,
        notes=notes,
    )


def machine(host: Host) -> dict[str, Any]:
    """What decides how fast a board is; None where it does not say."""
    release, mode, clock = board.l4t(host), board.power_mode(host), board.gpu_clock(host)
    memory = board.memory(host)
    return {
        "model": host.board(),
        "l4t": str(release) if release else None,
        "jetpack": release.jetpack if release else None,
        "cuda": board.cuda(host),
        "tensorrt": board.package(host, "libnvinfer10"),
        "power_mode": mode.name if mode else None,
        "gpu_clock": asdict(clock) if clock else None,
        "memory_available": memory.available if memory else None,
        "desktop": board.desktop(host),
    }


def _steps(model: Model, settings: Settings) -> int:
    return settings.steps or model.recipe.sampling.steps


def _understanding(model: Model, settings: Settings, progress: OnProgress) -> list[Measurement]:
    photo = _photo(settings.seed)
    preprocessing = model.recipe.preprocessing
    prompt = model.prompter.ask(
        QUESTION, model.longest_text - settings.tokens, preprocessing.num_tokens
    )
    pixels = images.prepare(photo, preprocessing)[None]
    rates: list[float] = []
    with (
        model.session("vision_encoder", progress) as encoder,
        model.language_model(progress) as llm,
    ):

        def look() -> None:
            encoder.run({"images": pixels})

        def prepare() -> None:
            images.prepare(photo, preprocessing)

        def first() -> float:
            started = time.perf_counter()
            features: Any = encoder.run({"images": pixels})["image_features"]
            logits: Any = llm.prefill(prompt.input_ids, features)[1]
            token = int(logits.argmax())
            seconds = time.perf_counter() - started
            rates.append(_rate(llm, token, settings.tokens))
            return seconds

        runs, warmups = settings.runs, settings.warmups
        seen = measure(runs, warmups, look, _told(progress, "vision_encoder", "looking"))
        prepared = measure(runs, warmups, prepare)
        firsts = measure(runs, warmups, first, _told(progress, "llm", "answering"))
    return [
        _measurement(VISION, seen, warmups, 1000),
        _measurement(PREPROCESSING, prepared, warmups, 1000),
        _measurement(FIRST_TOKEN, firsts, warmups, 1000),
        _measurement(TOKENS, tuple(rates[warmups:]), warmups, 1),
    ]


def _rate(llm: Any, token: int, count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        token = int(llm.step(token).argmax())
    return count / (time.perf_counter() - started)


def _drawing(
    model: Model, settings: Settings, progress: OnProgress, loads: list[float]
) -> list[Measurement]:
    drawing = Drawing.of(model.recipe, settings.steps, seed=settings.seed)
    loaded: list[float] = []

    def draw() -> float:
        loads.clear()
        started = time.perf_counter()
        generate.generate(model, PROMPT, drawing)
        seconds = time.perf_counter() - started
        loaded.append(sum(loads))
        return seconds - loaded[-1]

    warmups = settings.image_warmups
    drawn = measure(settings.image_runs, warmups, draw, _told(progress, "dit", "drawing"))
    found = [_measurement(IMAGE, drawn, warmups, 1)]
    if any(loaded[warmups:]):
        found.append(_measurement(LOADING, tuple(loaded[warmups:]), warmups, 1))
    return found


def _measurement(
    what: tuple[str, str, str], seconds: tuple[float, ...], warmups: int, factor: float
) -> Measurement:
    name, unit, definition = what
    values = tuple(value * factor for value in seconds)
    return Measurement(name, unit, definition, values, warmups, _PUBLISHED.get(name))


def _timed_loading(model: Model) -> list[float]:
    """Has every loading of a component add its seconds to the list that is returned."""
    seconds: list[float] = []
    load = model.open_component

    def timed(name: str) -> Any:
        started = time.perf_counter()
        session = load(name)
        seconds.append(time.perf_counter() - started)
        return session

    model.open_component = timed
    return seconds


def _told(progress: OnProgress, name: str, stage: str) -> OnCount:
    return lambda done, total: progress(Progress(name, stage, done, total))


def _photo(seed: int) -> NDArray[np.uint8]:
    """A picture [H, W, 3] of noise: no encoder is faster on another."""
    return np.random.default_rng(seed).integers(0, 256, (*_PHOTO, 3), dtype=np.uint8)
