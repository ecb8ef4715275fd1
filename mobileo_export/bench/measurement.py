"""A measured quantity, how it is summarized, and the JSON that every device benchmark writes.

``results.schema.json`` beside this file is the published form.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.bundle import manifest, schema, seal
from mobileo_export.progress import OnCount, ignore

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "mobileo-bench"
# A document says the first version that has all it says: 2 has checkpoints, and runs set apart.
FORMAT_VERSIONS = (1, 2)
_DRIFT = 0.05


@dataclass(frozen=True)
class Published:
    """A figure to compare with: mean, deviation and where it stands."""

    mean: float
    deviation: float | None
    source: str


@dataclass(frozen=True)
class Measurement:
    """One quantity, run after run; warm-ups are left out of ``values``.

    Attributes:
        name: such as ``time_to_first_token``.
        unit: ms, s or tokens/s.
        definition: where it starts and ends, in one sentence.
        values: of the runs, in order.
        warmups: how many runs came before and do not count.
        published: what others measured.
        apart: which of ``values`` the figures leave out, from 0: runs under another thermal state.
    """

    name: str
    unit: str
    definition: str
    values: tuple[float, ...]
    warmups: int
    published: Published | None = None
    apart: tuple[int, ...] = ()

    @property
    def counted(self) -> tuple[float, ...]:
        """The values that the figures are of."""
        return tuple(v for place, v in enumerate(self.values) if place not in self.apart)

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return float(np.mean(self.counted))

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation; None of a single run."""
        return float(np.std(self.counted, ddof=1)) if len(self.counted) > 1 else None

    def quantile(self, share: float) -> float:
        """Linear between the two nearest runs."""
        return float(np.quantile(self.counted, share))

    def as_json(self) -> dict[str, Any]:
        """As plain data; the summary is rounded, the values are not."""
        summary = {
            "mean": self.mean,
            "deviation": self.deviation,
            "median": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "min": min(self.counted),
            "max": max(self.counted),
        }
        rounded = {k: None if v is None else float(f"{v:.6g}") for k, v in summary.items()}
        found = {**asdict(self), "values": list(self.values), **rounded, "apart": list(self.apart)}
        return found if self.apart else {k: v for k, v in found.items() if k != "apart"}

    def text(self) -> str:
        """``488 ± 9``, with as many digits as say something."""
        spread = "" if self.deviation is None else f" ± {digits(self.deviation)}"
        return digits(self.mean) + spread


def drift(values: Sequence[float]) -> float | None:
    """By how much of itself a second half of runs lies above the first; None if it does not.

    Halves differ where their medians are further apart than 5 % and their middle halves do not
    overlap, which chance makes rare. Below eight runs nothing is said.
    """
    half = len(values) // 2
    if half < 4:
        return None
    first, second = values[:half], values[-half:]
    (low, middle, high), (below, later, above) = (
        np.quantile(part, (0.25, 0.5, 0.75)) for part in (first, second)
    )
    if low <= above and below <= high:
        return None
    change = float(later / middle - 1)
    return change if abs(change) > _DRIFT else None


def drift_text(name: str, unit: str, values: Sequence[float]) -> str | None:
    """:func:`drift` as a sentence."""
    change = drift(values)
    if change is None:
        return None
    slower = (change > 0) != (unit == "tokens/s")
    why = "a clock fell, or other work began" if slower else "it was not warm yet"
    what = "slower" if slower else "faster"
    return f"{name}: the second half of its runs was {abs(change):.0%} {what} than the first; {why}"


def digits(value: float) -> str:
    """Three significant digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def measure(
    runs: int,
    warmups: int,
    once: Callable[[], float | None],
    done: OnCount = ignore,
    found: list[float] | None = None,
) -> tuple[float, ...]:
    """Seconds of each of ``runs`` calls after ``warmups`` that do not count.

    ``once`` may return seconds of its own, where only a part of it counts; ``found`` gets them as
    they come, for whoever wants to keep them when a call fails.
    """
    found = [] if found is None else found
    for run in range(runs + warmups):
        started = time.perf_counter()
        own = once()
        seconds = time.perf_counter() - started if own is None else own
        if run >= warmups:
            found.append(seconds)
        done(run + 1, runs + warmups)
    return tuple(found)


def report(
    *,
    program: str,
    version: str,
    runtime: str,
    bundle: Mapping[str, Any] | None = None,
    checkpoint: Mapping[str, Any] | None = None,
    machine: dict[str, Any],
    settings: dict[str, Any],
    measurements: Sequence[Measurement],
    telemetry: dict[str, Any] | None,
    notes: Iterable[str] = (),
    failures: Iterable[str] = (),
    incomplete: str | None = None,
    self_test: Mapping[str, Any] | None = None,
    work: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document of a benchmark.

    Args:
        program: which measured.
        version: its release.
        runtime: what executed the artifacts.
        bundle: which was measured.
        checkpoint: whose references were measured, where no bundle was.
        machine: on what.
        settings: how often, and all that can be set.
        measurements: what was measured.
        telemetry: memory, power and heat meanwhile.
        notes: what a reader should know.
        failures: of stages that gave no figure.
        incomplete: where it was interrupted.
        self_test: what a replay of the bundle's golden trace found.
        work: what the stages compute and read, for their limits.
    """
    newer = checkpoint is not None or any(measurement.apart for measurement in measurements)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSIONS[newer],
        "program": {"name": program, "version": version},
        "runtime": runtime,
        **({"bundle": bundle} if checkpoint is None else {"checkpoint": checkpoint}),
        "machine": machine,
        "settings": settings,
        "measurements": [measurement.as_json() for measurement in measurements],
        "telemetry": telemetry,
        "notes": list(notes),
        "failures": list(failures),
        "incomplete": incomplete,
        "self_test": self_test,
        "work": work,
    }


def identification(bundle: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Which bundle: identity, source, tensors, and what each component computes in."""
    return {
        "manifest_sha256": seal.digest(bundle / manifest.MANIFEST),
        "source": content["source"]["name"],
        "tensors_sha256": {
            name: entry["tensors_sha256"] for name, entry in content["components"].items()
        },
        "precision": {
            name: entry["artifacts"][0]["compute_precision"]
            for name, entry in content["components"].items()
        },
    }


def fingerprint(tensors: Mapping[str, str]) -> str:
    """One sha256 over those of the tensors of components, by name."""
    return hashlib.sha256(json.dumps(dict(tensors), sort_keys=True).encode()).hexdigest()


def results_schema() -> schema.Schema:
    """The JSON Schema (2020-12) of :func:`report`."""
    return schema.published("mobileo_export.bench", "results.schema.json")
