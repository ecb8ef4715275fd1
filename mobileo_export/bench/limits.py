"""The least time that each stage of a bundle can take on a chip: its floor.

A call takes at least as long as its products at the engine's peak, and as reading its weights and
inputs and writing its outputs once at the memory's; the larger of both bounds it. Calls follow one
another: a stage's floor is the sum of theirs. docs/limits.md has the definitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mobileo_export.bench import chips as table
from mobileo_export.bench import workload
from mobileo_export.progress import OnProgress, ignore

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.bench.chips import Chip
    from mobileo_export.bench.workload import CallWork, StageWork, Workload, WorkSizes

Bound = Literal["compute", "memory"]


@dataclass(frozen=True)
class StageFloor:
    """The floor of a stage on one engine in one precision, in seconds.

    Attributes:
        stage: as a benchmark calls it; of ``decode_rate`` the floor of one token.
        engine: of ``chips.ENGINES``.
        precision: that floats are computed in.
        seconds: with weights read as they are stored, or as they are computed with if that is less.
        bound: what most of the time is bounded by.
        component: whose calls take most of it.
        widened: seconds, if weights are read as wide as they are computed with.
        unfused: seconds, if every operation reads its operands from memory and writes its results.
    """

    stage: str
    engine: str
    precision: str
    seconds: float
    bound: Bound
    component: str
    widened: float
    unfused: float


@dataclass(frozen=True)
class ChipLimits:
    """The floors of all stages on one chip."""

    chip: Chip
    floors: tuple[StageFloor, ...]

    def of(self, stage: str, engine: str, precision: str) -> StageFloor | None:
        """One of them; None where the chip has no such rate, or the bundle no such stage."""
        wanted = (stage, engine, precision)
        found = (f for f in self.floors if (f.stage, f.engine, f.precision) == wanted)
        return next(found, None)


@dataclass(frozen=True)
class BundleLimits:
    """The floors of a bundle on chips, and the work that they are made of."""

    workload: Workload
    chips: tuple[ChipLimits, ...]

    def as_json(self) -> dict[str, Any]:
        """As plain data, the sources of the chips' figures with them."""
        return {
            "sizes": asdict(self.workload.sizes),
            "stages": [_stage(stage) for stage in self.workload.stages],
            "chips": [
                {**asdict(found.chip), "floors": list(map(asdict, found.floors))}
                for found in self.chips
            ],
        }


def limits(
    bundle: Path,
    chips: Sequence[str] = (),
    sizes: WorkSizes | None = None,
    progress: OnProgress = ignore,
) -> BundleLimits:
    """The floor of every stage of ``bundle``, without measuring and without reading a weight.

    Args:
        bundle: a bundle of any target.
        chips: names of chips or devices; all that are known for none.
        sizes: of prompts and pictures; the bundle's own for None.
        progress: called as components are counted.

    Raises:
        UsageError: a chip is not known, or a size out of bounds.
        BundleError: it is no bundle, or an artifact is damaged.
        MissingDependencyError: what follows a graph is not installed.
    """
    chosen = table.find(chips)  # before the work
    work = workload.of(bundle, sizes, progress)
    return on_chips(work, chosen)


def on_chips(work: Workload, chips: Iterable[Chip]) -> BundleLimits:
    """The floors of work that was counted before."""
    return BundleLimits(work, tuple(ChipLimits(chip, tuple(_floors(work, chip))) for chip in chips))


def floor(
    stage: StageWork, engine: str, precision: str, flops: float, bandwidth: float
) -> StageFloor:
    """The floor at ``flops`` a second and ``bandwidth`` in bytes a second."""
    parts = [(part, _part(part.work[precision], flops, bandwidth)) for part in stage.parts]
    longest, _ = max(parts, key=lambda found: found[0].times * found[1].seconds)
    seconds, widened, unfused = (
        sum(part.times * getattr(found, name) for part, found in parts)
        for name in ("seconds", "widened", "unfused")
    )
    computing = sum(part.times * f.seconds for part, f in parts if f.compute)
    bound: Bound = "compute" if computing >= seconds / 2 else "memory"
    return StageFloor(
        stage.name, engine, precision, seconds, bound, longest.component, widened, unfused
    )


@dataclass(frozen=True)
class _CallFloor:
    """The floor of one call; ``compute`` says whether that bounds it."""

    seconds: float
    compute: bool
    widened: float
    unfused: float


def _part(call: CallWork, flops: float, bandwidth: float) -> _CallFloor:
    read = min(call.stored, call.widened)  # wide ones are narrowed once, as they are loaded
    compute, memory = call.flops / flops, (read + call.moved) / bandwidth
    seconds = max(compute, memory)
    widened = max(compute, (call.widened + call.moved) / bandwidth)
    apart = max(_unfused(call, flops, bandwidth), seconds)
    return _CallFloor(seconds, compute >= memory, widened, apart)


def _floors(work: Workload, chip: Chip) -> Iterator[StageFloor]:
    bandwidth = chip.bandwidth.value * 1e9
    for stage in work.stages:
        for engine, rates in chip.engines.items():
            for precision, rate in rates.items():
                yield floor(stage, engine, precision, rate.value * 1e12, bandwidth)


def _unfused(call: CallWork, flops: float, bandwidth: float) -> float:
    """Seconds of one operation after another, each through memory."""
    return sum(
        count * max(operation / flops, moved / bandwidth)
        for count, operation, moved in call.profile
    )


def _stage(stage: StageWork) -> dict[str, Any]:
    """A stage without its profile, which no reader needs."""
    parts = []
    for part in stage.parts:
        plain = asdict(part)
        for call in plain["work"].values():
            del call["profile"]
        parts.append(plain)
    return {"name": stage.name, "flops": stage.flops(), "parts": parts}
