"""Charts of the page: inline SVG with positions in percent, so that they fit any width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mobileo_export.html.text import figure, name, number, scientific, text
from mobileo_export.parity.profile import cell

LEVELS = 8  # of the heat strips, three decades below the bound; one more is above it
_DECADES = 3
# Shape and color of a metric; what is not listed looks like the last.
_SHAPES = {
    "relative_l2": "circle",
    "worst_slice": "diamond",
    "worst_token": "token",
    "psnr": "square",
    "kl": "triangle",
    "top1": "down",
}
_OTHER = "bar"
_MARKERS = {
    "circle": "M0-4.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9z",
    "diamond": "M0-6 6 0 0 6-6 0z",
    "square": "M-4.5-4.5h9v9h-9z",
    "triangle": "M0-5.5 5.5 4.5h-11z",
    "down": "M0 5.5 5.5-4.5h-11z",
    "token": "M-3-5h6l3 5-3 5h-6l-3-5z",
    "bar": "M-2-6h4v12h-4z",
    "cross": "M-5-5 5 5M-5 5 5-5",
}


def error_of(metric: str, value: Any) -> float:
    """A figure as an error, 0 for none: a PSNR as rms error over peak, a share as what it lacks."""
    found = number(value)
    if metric == "psnr":
        if not math.isfinite(found):
            return 0.0 if found > 0 else math.inf
        return float(10 ** (-found / 20))
    return 1 - found if metric in {"top1", "worst_cosine", "finite"} else found


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

    @property
    def ticks(self) -> list[int]:
        """Exponents to write; every second one where there are many."""
        step = 1 if self.high - self.low <= 9 else 2
        return list(range(self.low, self.high + 1, step))


def shape(metric: str) -> str:
    """The marker of a metric."""
    return _SHAPES.get(metric, _OTHER)


def marker(kind: str, x: str, y: float, css: str) -> str:
    """A marker centred at (x percent, y)."""
    return (
        f'<svg x="{x}" y="{y:g}" overflow="visible" class="{css}">'
        f'<path d="{_MARKERS[kind]}"/></svg>'
    )


def lane(rows: Sequence[Mapping[str, Any]], axis: Axis) -> str:
    """One output's figures as markers, each with its bound as a bar and the room between."""
    step, parts, said = 13, [], []
    for place, row in enumerate(rows):
        metric, y = str(row["metric"]), 10 + step * place
        value, limit = error_of(metric, row["value"]), error_of(metric, row["limit"])
        kind = f"k-{shape(metric)}" if row["holds"] else "k-bad"
        x, bound = axis.percent(value), axis.percent(limit)
        parts.append(
            f'<line class="room {kind}" x1="{x}" x2="{bound}" y1="{y}" y2="{y}"/>'
            f'<line class="bound {kind}" x1="{bound}" x2="{bound}" y1="{y - 6}" y2="{y + 6}"/>'
            + marker(shape(metric) if row["holds"] else "cross", x, y, f"dot {kind}")
        )
        verdict = "holds" if row["holds"] else "fails"
        said.append(
            f"{name(metric)} {figure(metric, row['value'])}, "
            f"bound {figure(metric, row['limit'])}, {verdict}"
        )
    height = 20 + step * max(0, len(rows) - 1)
    return (
        f'<svg class="lane" role="img" width="100%" height="{height}" '
        f'aria-label="{"; ".join(said)}">{"".join(parts)}</svg>'
    )


def scale(axis: Axis) -> str:
    """The axis's labels."""
    labels = "".join(
        f'<span style="left:{axis.percent(10.0**exponent)}">{scientific(10.0**exponent)}</span>'
        for exponent in axis.ticks
    )
    return f'<div class="scale" aria-hidden="true">{labels}</div>'


def legend(metrics: Iterable[str]) -> str:
    """What the markers mean."""
    items = [
        f'<li><svg width="14" height="14" aria-hidden="true">{marker(shape(m), "7", 7, css)}'
        f"</svg>{name(m)}</li>"
        for m in metrics
        for css in [f"dot k-{shape(m)}"]
    ]
    items.append(
        '<li><svg width="26" height="14" aria-hidden="true">'
        '<line class="room k-ink" x1="2" x2="23" y1="7" y2="7"/>'
        '<line class="bound k-ink" x1="23" x2="23" y1="1" y2="13"/></svg>its bound</li>'
    )
    items.append(
        '<li><svg width="14" height="14" aria-hidden="true">'
        f"{marker('cross', '7', 7, 'dot k-bad')}</svg>beyond its bound</li>"
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def curve(
    series: Sequence[tuple[str, Sequence[float]]],
    steps: Sequence[str],
    bound: tuple[str, float] | None,
    label: str,
) -> str:
    """Lines over steps on a logarithmic axis, and a bound.

    Args:
        series: marker name and the values at each step.
        steps: what to write below them.
        bound: its text and value.
        label: what the chart shows, for those who do not see it.
    """
    values = [v for _, line in series for v in line]
    axis = Axis.of([*values, *([bound[1]] if bound else [])])
    count = max(len(steps), 1)

    def x(place: int) -> float:
        return 100 * (place + 0.5) / count

    def y(value: float) -> float:
        return 100 * (1 - axis.share(value))

    parts = [
        f'<line class="grid" x1="0" x2="100%" y1="{y(10.0**e):.2f}%" y2="{y(10.0**e):.2f}%"/>'
        for e in axis.ticks
    ]
    if bound:
        at = f"{y(bound[1]):.2f}%"
        parts.append(f'<line class="limit" x1="0" x2="100%" y1="{at}" y2="{at}"/>')
    lines, dots = [], []
    for kind, line in series:
        points = " ".join(f"{x(i):.2f},{y(v):.2f}" for i, v in enumerate(line))
        lines.append(f'<polyline class="k-{kind}" points="{points}"/>')
        for i, v in enumerate(line):
            good = math.isfinite(v)
            css = f"dot k-{kind if good else 'bad'}"
            dots.append(
                f'<svg x="{x(i):.2f}%" y="{y(v):.2f}%" overflow="visible" class="{css}">'
                f'<path d="{_MARKERS[kind if good else "cross"]}"/></svg>'
            )
    ticks = "".join(
        f'<span style="top:{y(10.0**e):.2f}%">{scientific(10.0**e)}</span>' for e in axis.ticks
    )
    under = "".join(f"<span>{text(step)}</span>" for step in steps)
    note = ""
    if bound:
        note = f'<span class="limit-note" style="top:{y(bound[1]):.2f}%">{text(bound[0])}</span>'
    return (
        f'<div class="curve"><div class="yaxis" aria-hidden="true">{ticks}</div>'
        f'<div class="plot"><svg role="img" aria-label="{text(label)}" width="100%" height="100%">'
        f'{"".join(parts)}<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" '
        f'height="100%" overflow="visible">{"".join(lines)}</svg>{"".join(dots)}</svg>'
        f"{note}</div>"
        f'<div class="xaxis" aria-hidden="true">{under}</div></div>'
    )


def heat(profile: Mapping[str, Any], limit: float, worst: Mapping[str, Any] | None) -> str:
    """A family's errors as a strip of cells, darker as they come near the bound."""
    rows, columns = int(profile["rows"]), int(profile["columns"])
    paths: dict[int, list[str]] = {}
    levels = [level(number(value), limit) for value in profile["errors"]]
    start = 0
    while start < len(levels):  # neighbors of one level in a row are one rectangle
        row, column = divmod(start, columns)
        most = (row + 1) * columns
        end = next((i for i in range(start, most) if levels[i] != levels[start]), most)
        path = paths.setdefault(levels[start], [])
        path.append(f"M{column} {row}h{end - start}v1H{column}z")
        start = end
    cells = "".join(f'<path class="h{k}" d="{"".join(d)}"/>' for k, d in sorted(paths.items()))
    size, family = list(profile["size"]), text(profile["family"])
    ring = said = ""
    if worst is not None:
        index = list(worst["index"])
        down, across = _place(index, size, rows, columns)
        where = ", ".join(map(str, index))
        said = f"worst: {family} {where}, {scientific(worst['error'])}"
        corner = f'x="{100 * across / columns:.2f}%" y="{100 * down / rows:.2f}%"'
        span = f'width="{100 / columns:.2f}%" height="{100 / rows:.2f}%"'
        ring = f'<rect class="halo" {corner} {span}/><rect class="ring" {corner} {span}/>'
        if rows == 1:
            middle = f"{100 * (across + 0.5) / columns:.2f}%"
            ring += f'<svg x="{middle}" y="-3" overflow="visible"><path d="M-5-7h10L0 0z"/></svg>'
    css = "grid" if family == "patch" else "strip"
    high = "" if css == "grid" else f' style="height:{1.5 if rows == 1 else 0.75 * rows:g}rem"'
    what = f"{' × '.join(map(str, size))} {family}{'es' if family == 'patch' else 's'}"
    return (
        f'<figure class="heat {css}"><svg role="img" aria-label="{what}; {said}"{high} '
        f'width="100%" overflow="visible"><svg viewBox="0 0 {columns} {rows}" '
        f'preserveAspectRatio="none" width="100%" height="100%" shape-rendering="crispEdges">'
        f"{cells}</svg>{ring}</svg><figcaption>{what}<br>{said}</figcaption></figure>"
    )


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
