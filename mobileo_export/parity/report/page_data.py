"""What the page's sections share: how a report is walked, figures against bounds, titles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mobileo_export.html.text import figure, mark, name, scientific, table, text
from mobileo_export.parity.report import page_charts as charts

Json = Mapping[str, Any]


def outputs(component: Json) -> Iterator[tuple[Json, Json]]:
    """Each case with each of its outputs."""
    for case in component["cases"]:
        for output in case["outputs"]:
            yield case, output


def bounds(output: Json) -> list[Json]:
    """The rows of a gate that say how far: no share of finite values, unless it is too small."""
    return [row for row in output["rows"] if row["metric"] != "finite" or not row["holds"]]


def share_of_bound(row: Json) -> float:
    """The error of a row as a share of what its bound allows."""
    value = charts.error_of(row["metric"], row["value"])
    limit = charts.error_of(row["metric"], row["limit"])
    if math.isnan(value) or (value > 0 and limit <= 0):
        return math.inf
    return value / limit if limit > 0 else 0.0


def title(component: Json) -> str:
    """The name of a component, what it is compared with, and the output, as HTML."""
    gate = component["gate"]
    title = name(gate["component"])
    against = gate.get("against")
    if against and against != "checkpoint":
        title += f" <small>against {text(against)}</small>"
    if gate.get("output"):
        title += f" <small>{text(gate['output'])}</small>"
    return title


def problem(problem: Any) -> str:
    """A failure in words, as HTML."""
    return f'<p class="problem"><span aria-hidden="true">✕</span> {text(problem)}</p>'


def percent(share: float) -> str:
    """A share as HTML: per cent, or from ten on how many times."""
    if not math.isfinite(share):
        return "not finite"
    if share >= 10:
        return f"{share:,.0f}×" if share < 1e6 else f"{scientific(share)}×"
    return f"{100 * share:.0f}&nbsp;%" if share >= 0.01 or share == 0 else "&lt;&nbsp;1&nbsp;%"


def figures_table(components: Sequence[Json]) -> str:
    """Every figure beside its bound."""
    rows = [
        (
            name(component["gate"]["component"]),
            text(case["name"]),
            text(output["name"]),
            name(row["metric"]),
            data(row["value"], figure(row["metric"], row["value"])),
            data(row["limit"], figure(row["metric"], row["limit"])),
            percent(share_of_bound(row)),
            mark(row["holds"]),
        )
        for component in components
        for case, output in outputs(component)
        for row in bounds(output)
    ]
    columns = ("component", "case", "output", "metric", "error", "bound", "of bound", "")
    return table("Figures", columns, rows, (4, 5, 6))


def data(value: Any, shown: str) -> str:
    """A figure with its exact value behind it."""
    return f'<data value="{text(value)}">{shown}</data>'
