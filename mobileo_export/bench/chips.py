"""What chips can do at most: ``chips.json``, a source for every number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from mobileo_export import json_file
from mobileo_export.bench.cost import BYTES
from mobileo_export.errors import UsageError

SCHEMA_VERSION = 1
# Engines by what a table calls them.
ENGINES: Mapping[str, str] = {
    "gpu": "GPU",
    "gpu_matrix": "GPU matrix units",
    "neural_engine": "Neural Engine",
}
_LARGEST = 1 << 20  # bytes of a table
_FIGURES = {"value", "estimate", "source"}
_CHIP = {"name", "detail", "devices", "engines", "bandwidth", "memory"}


@dataclass(frozen=True)
class ChipFigure:
    """One number.

    Attributes:
        value: TFLOP/s, GB/s or GB.
        source: who says so.
        estimate: by which share it may be off; None if it is stated or was measured.
    """

    value: float
    source: str
    estimate: float | None


@dataclass(frozen=True)
class Chip:
    """A chip as one device has it.

    Attributes:
        name: such as ``A19 Pro``.
        detail: which one of several of this name, or at which power.
        devices: that have it.
        engines: TFLOP/s by engine and precision.
        bandwidth: of memory, GB/s.
        memory: GB.
    """

    name: str
    detail: str
    devices: tuple[str, ...]
    engines: Mapping[str, Mapping[str, ChipFigure]]
    bandwidth: ChipFigure
    memory: ChipFigure

    @property
    def title(self) -> str:
        """The name with its detail."""
        return f"{self.name}, {self.detail}"

    def figures(self) -> Iterable[ChipFigure]:
        """All of its numbers."""
        for rates in self.engines.values():
            yield from rates.values()
        yield from (self.bandwidth, self.memory)


@cache
def known() -> tuple[Chip, ...]:
    """The chips of the package's own table, in its order."""
    with resources.as_file(resources.files("mobileo_export.bench") / "chips.json") as path:
        return load(path)


def find(names: Iterable[str]) -> tuple[Chip, ...]:
    """Chips by their own name or a device's, capitals or not; all that are known without names.

    Raises:
        UsageError: a name is none of a chip or device that is known.
    """
    found: dict[str, Chip] = {}
    for name in names:
        wanted = " ".join(name.split()).casefold()
        fitting = [c for c in known() if wanted in map(str.casefold, (c.name, *c.devices))]
        if not fitting:
            listed = ", ".join(f"{c.name} ({', '.join(c.devices[:1])})" for c in known())
            raise UsageError(f"{name!r} is no chip or device that is known; choose from {listed}")
        found.update((chip.name, chip) for chip in fitting)
    return tuple(found.values()) or known()


def load(path: Path) -> tuple[Chip, ...]:
    """The chips of a table.

    Raises:
        UsageError: it cannot be read, or is not what this release reads: which chip, and what.
    """
    try:
        content = json_file.load(path, constants=False, limit=_LARGEST)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as JSON ({error})") from error
    try:
        if content["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version is no {SCHEMA_VERSION}")
        chips = tuple(_chip(entry) for entry in content["chips"])
        names = [n.casefold() for chip in chips for n in (chip.name, *chip.devices)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} names two chips")
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: is no table of chips ({error!r})") from error
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    if not chips:
        raise UsageError(f"{path}: holds no chip")
    return chips


def _chip(entry: Mapping[str, Any]) -> Chip:
    name = entry["name"]
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"a chip is called {name!r}")
    if entry.keys() != _CHIP:
        raise ValueError(f"{name} has {', '.join(entry)}; expected {', '.join(sorted(_CHIP))}")
    engines = {}
    for engine, rates in entry["engines"].items():
        if engine not in ENGINES or not rates or rates.keys() - BYTES.keys():
            listed = ", ".join(rates) or "nothing"
            raise ValueError(f"{name}: {engine} with {listed} is no engine that is known")
        engines[engine] = {
            precision: _figure(f"{name}, {engine} {precision}", rate)
            for precision, rate in rates.items()
        }
    if "gpu" not in engines:
        raise ValueError(f"{name} has no gpu")
    sizes = (_figure(f"{name}, {key}", entry[key]) for key in ("bandwidth", "memory"))
    devices = tuple(map(str, entry["devices"]))
    return Chip(name, str(entry["detail"]), devices, engines, *sizes)


def _figure(where: str, entry: Mapping[str, Any]) -> ChipFigure:
    if entry.keys() != _FIGURES:
        raise ValueError(f"{where} has {', '.join(entry)}; expected value, estimate and source")
    value, estimate, source = (entry[key] for key in ("value", "estimate", "source"))
    if not _positive(value):
        raise ValueError(f"{where} is {value!r}, expected a positive number")
    if estimate is not None and not (_positive(estimate) and estimate < 1):
        raise ValueError(f"{where}: its estimate is {estimate!r}, expected a share or null")
    if not isinstance(source, str) or not source.strip():
        raise ValueError(f"{where} has no source")
    return ChipFigure(float(value), source, estimate)


def _positive(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0
