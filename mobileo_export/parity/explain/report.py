"""An explanation as JSON and as the rows of a drift table."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from mobileo_export import __version__
from mobileo_export.json_file import json_ready
from mobileo_export.parity.explain.results import Explanation, WalkStep

FORMAT, SCHEMA_VERSION = "mobileo-explain", 1
_BAR = 24
DECADES = (-8.0, 0.0)  # the bar's ends: an error of 1e-8, and one as large as the values
_FEW = 16


@dataclass(frozen=True)
class DriftRow:
    """A row: the module after which the error is this, and whether it is the culprit."""

    module: str
    error: float
    growth: float
    culprit: bool

    @property
    def share(self) -> float:
        """How much of a logarithmic scale the error fills, 0 to 1; all of it if not finite."""
        low, high = DECADES
        error = self.error if math.isfinite(self.error) else 1.0
        decade = math.log10(min(max(error, 1e-300), 1.0))
        return max((decade - low) / (high - low), 0.0)

    @property
    def bar(self) -> str:
        """:attr:`share` of a line of text."""
        return "█" * round(_BAR * self.share)


def drift(explanation: Explanation) -> list[DriftRow]:
    """The error after each block in order; inside the culprit's block after each module."""
    steps = list(enumerate(explanation.steps))
    marked = explanation.culprit
    home = _block(explanation.steps[marked]) if marked is not None else None
    rows: list[DriftRow] = []
    for block, members in groupby(steps, lambda item: _block(item[1])):
        items = list(members)
        if block == home or len(steps) <= _FEW:
            rows += [_row(step.module, step, index == marked) for index, step in items]
        else:
            rows.append(_row(block, items[-1][1], False))
    return rows


def as_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain data; what JSON has no number for is text (``Infinity``)."""
    content = asdict(explanation)
    for entry, step in zip(content["steps"], explanation.steps, strict=True):
        entry["growth"] = step.growth
    document: dict[str, Any] = json_ready(
        {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "generator": {"name": "mobileo-export", "version": __version__},
            **content,
            "ok": explanation.ok,
            "largest_growth": explanation.largest_growth,
        }
    )
    return document


def _row(name: str, step: WalkStep, culprit: bool) -> DriftRow:
    return DriftRow(name or "(the whole)", step.error, step.growth, culprit)


def _block(step: WalkStep) -> str:
    """The module path up to its first number; of a path without one, its first two names."""
    parts = step.module.split(".")
    number = next((index for index, part in enumerate(parts) if part.isdigit()), None)
    return ".".join(parts[: 2 if number is None else number + 1])
