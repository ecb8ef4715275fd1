"""How the page walks a report, and holds figures against bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mobileo_export.html.text import number, scientific

Json = Mapping[str, Any]


def outputs(component: Json) -> Iterator[tuple[Json, Json]]:
    """Each case with each of its outputs."""
    for case in component["cases"]:
        for output in case["outputs"]:
            yield case, output


def bounds(output: Json) -> list[Json]:
    """The rows of a gate that say how far: no share of finite values, unless it is too small."""
    return [row for row in output["rows"] if row["metric"] != "finite" or not row["holds"]]


def error_of(metric: str, value: Any) -> float:
    """A figure as an error, 0 for none: a PSNR as rms error over peak, a share as what it lacks."""
    found = number(value)
    if metric == "psnr":
        if not math.isfinite(found):
            return 0.0 if found > 0 else math.inf
        return float(10 ** (-found / 20))
    return 1 - found if metric in {"top1", "worst_cosine", "finite"} else found


def bounds_of(components: Iterable[Json]) -> list[Json]:
    """:func:`bounds` of every output."""
    return [row for c in components for _, output in outputs(c) for row in bounds(output)]


def share_of_bound(row: Json) -> float:
    """The error of a row as a share of what its bound allows."""
    value = error_of(row["metric"], row["value"])
    limit = error_of(row["metric"], row["limit"])
    if math.isnan(value) or (value > 0 and limit <= 0):
        return math.inf
    return value / limit if limit > 0 else 0.0


def tightest(output: Json) -> float:
    """The largest of those shares; infinite when there is no figure."""
    return max(map(share_of_bound, bounds(output)), default=math.inf)


def ranked(component: Json) -> list[tuple[Json, Json]]:
    """:func:`outputs`, what deserves a look first."""

    def order(pair: tuple[Json, Json]) -> tuple[bool, bool, float]:
        output = pair[1]
        return output["ok"], not output["profiles"], -tightest(output)

    return sorted(outputs(component), key=order)


def percent(share: float) -> str:
    """A share of a bound: ``45 %``, ``12×``."""
    if not math.isfinite(share):
        return "not finite"
    if share >= 10:
        return f"{share:,.0f}×" if share < 1e6 else f"{scientific(share)}×"
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "< 1 %"


def controls(components: Iterable[Json]) -> dict[str, dict[str, list[bool]]]:
    """Whether damage to outputs was noticed, by damage and component."""
    tally: dict[str, dict[str, list[bool]]] = {}
    for component in components:
        listed = [*component["controls"]]
        for _, output in outputs(component):
            listed += output["controls"]
        for control in listed:
            noticed = tally.setdefault(str(control["damage"]), {})
            noticed.setdefault(component["gate"]["component"], []).append(bool(control["noticed"]))
    return tally


def spent(component: Json) -> tuple[float, float | None]:
    """Seconds of the reference and of the artifact, over all cases; None where it never ran."""
    cases = component["cases"]
    ran = [case["artifact_seconds"] for case in cases if case["artifact_seconds"] is not None]
    truth = sum(number(case["reference_seconds"]) for case in cases)
    return truth, sum(map(number, ran)) if ran else None
