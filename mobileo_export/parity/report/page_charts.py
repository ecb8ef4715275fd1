"""What the charts of the page show: axes, places in percent, levels; charts.html draws them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mobileo_export.html.text import number
from mobileo_export.parity.profile import cell
from mobileo_export.parity.report.page_data import error_of

LEVELS = 8  # of the heat strips, three decades below the bound; one more is above it
_DECADES = 3
# Shape and color of a metric; what is not listed is a bar.
SHAPES = {
    "relative_l2": "circle",
    "worst_slice": "diamond",
    "worst_token": "token",
    "psnr": "square",
    "kl": "triangle",
    "top1": "down",
}
MARKERS = {
    "circle": "M0-4.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9z",
    "diamond": "M0-6 6 0 0 6-6 0z",
    "square": "M-4.5-4.5h9v9h-9z",
    "triangle": "M0-5.5 5.5 4.5h-11z",
    "down": "M0 5.5 5.5-4.5h-11z",
    "token": "M-3-5h6l3 5-3 5h-6l-3-5z",
    "bar": "M-2-6h4v12h-4z",
    "cross": "M-5-5 5 5M-5 5 5-5",
}


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis over whole decades."""

    low: int
    high: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Axis:
        """An axis that holds every value that is positive and finite."""
        shown = [value for value in values if math.isfinite(value) and value > 0]
        if not shown:
            return cls(-8, 0)
        low = math.floor(math.log10(min(shown)) + 1e-9)
        high = math.ceil(math.log10(max(shown)) - 1e-9)
        return cls(low, max(high, low + 1))

    def share(self, value: float) -> float:
        """Place of a value, 0 to 1; zero is at the low end, what is not finite at the high one."""
        if math.isnan(value) or value == math.inf:
            return 1.0
        if value <= 0:
            return 0.0
        place = (math.log10(value) - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, place))

    def percent(self, value: float) -> str:
        """:meth:`share` for an attribute."""
        return f"{100 * self.share(value):.2f}%"

    def down(self, value: float) -> str:
        """The same from the top."""
        return f"{100 * (1 - self.share(value)):.2f}"

    @property
    def ticks(self) -> list[int]:
        """Exponents to write; every second one where there are many."""
        step = 1 if self.high - self.low <= 9 else 2
        return list(range(self.low, self.high + 1, step))


def axis_of(rows: Iterable[Mapping[str, Any]]) -> Axis:
    """Of figures and their bounds."""
    return Axis.of(error_of(row["metric"], row[key]) for row in rows for key in ("value", "limit"))


@dataclass(frozen=True)
class Heat:
    """A family's errors as a strip of cells, darker as they come near the bound.

    Attributes:
        family: token, channel or patch.
        size: the index's shape.
        rows: of cells.
        columns: of cells.
        cells: the path of the cells of each level that occurs, by level.
        worst: the worst slice's index and error; None when there is none.
        place: the row and column of its cell.
    """

    family: str
    size: tuple[int, ...]
    rows: int
    columns: int
    cells: Mapping[int, str]
    worst: Mapping[str, Any] | None
    place: tuple[int, int]

    @classmethod
    def of(cls, profile: Mapping[str, Any], limit: float, worst: Mapping[str, Any] | None) -> Heat:
        """The strip of a ``profile.Profile`` beside the bound of a slice."""
        rows, columns = int(profile["rows"]), int(profile["columns"])
        paths: dict[int, str] = {}
        for row in range(rows):
            errors = profile["errors"][row * columns : (row + 1) * columns]
            column = 0  # neighbors of one level in a row are one rectangle
            for found, same in groupby(level(number(value), limit) for value in errors):
                count = len(list(same))
                path = f"M{column} {row}h{count}v1H{column}z"
                paths[found] = paths.get(found, "") + path
                column += count
        size = tuple(profile["size"])
        place = _place(list(worst["index"]), size, rows, columns) if worst is not None else (0, 0)
        cells = dict(sorted(paths.items()))
        return cls(str(profile["family"]), size, rows, columns, cells, worst, place)


def heats(gate: Mapping[str, Any], output: Mapping[str, Any]) -> list[Heat]:
    """A strip for every family of slices of an output."""
    limit = math.inf if gate["worst_slice"] is None else number(gate["worst_slice"])
    worst = {item["family"]: item for item in output["metrics"]["worst"]}
    return [Heat.of(each, limit, worst.get(each["family"])) for each in output["profiles"]]


def level(value: float, limit: float) -> int:
    """0 to ``LEVELS`` − 1 within three decades below the bound, ``LEVELS`` beyond it."""
    if not math.isfinite(value) or value > limit:
        return LEVELS
    if value <= 0 or not math.isfinite(limit):
        return 0
    place = 1 + math.log10(value / limit) / _DECADES
    return max(0, min(LEVELS - 1, int(place * LEVELS)))


def _place(index: Sequence[int], size: Sequence[int], rows: int, columns: int) -> tuple[int, int]:
    """The cell of a slice: its last index across, all before it down."""
    across = cell(index[-1], size[-1], columns)
    before = 0
    for at, length in zip(index[:-1], size[:-1], strict=True):
        before = before * length + at
    return cell(before, math.prod(size[:-1]) or 1, rows), across
