"""An explanation as one HTML file to look at: where, how much, why; no network, no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export import __version__
from mobileo_export.html import origin
from mobileo_export.html import render as html
from mobileo_export.html.text import name, scientific
from mobileo_export.parity.explain import report
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mobileo_export.parity.explain.results import Divergence, Explanation

Tile = tuple[str, str, str, bool]


def render(found: Explanation, tools: Mapping[str, str]) -> str:
    """The page. The same values give the same text.

    Args:
        found: what there is to say.
        tools: versions that made the bundle, as its manifest states them.
    """
    bundle, checkpoint = map(origin.without_path, (found.bundle, found.checkpoint))
    noted = [*found.notes, *(f"not as sealed: {path}" for path in found.unsealed)]
    values = {
        "ok": found.ok,
        "found": found,
        "bundle": bundle,
        "checkpoint": checkpoint,
        "verdict": _verdict(found),
        "shown": list(_tiles(found)),
        "noted": noted,
        "place": list(_place(found.finding)) if found.finding is not None else [],
        "drift": report.drift(found),
        "environment_of": {
            "bundle": bundle,
            "checkpoint": checkpoint,
            "mobileo-export": __version__,
            **{f"made with {tool}": version for tool, version in sorted(tools.items())},
            **origin.made_with((), extras.REFERENCE),
        },
    }
    return html.render("parity/explain/page.html", values, {"decades": report.DECADES})


def _verdict(found: Explanation) -> str:
    if found.finding is None:
        return f"{name(found.component)}: nothing diverges"
    place = found.finding.place
    where = place.module or place.op or "the whole"
    return f"{name(found.component)}: diverges at {where}"


def _tiles(found: Explanation) -> Iterator[Tile]:
    held = sum(check.ok for check in found.cases)
    yield "Cases within the gate", f"{held} of {len(found.cases)}", "", held == len(found.cases)
    index = found.culprit if found.culprit is not None else found.largest_growth
    if index is None:
        return
    step, grows = found.steps[index], found.culprit is None
    told = f"{'grows most' if grows else 'jumps'} after {step.module or 'the whole'}"
    yield "Relative L2 error there", scientific(step.error), told, grows
    yield "Error that reaches it", scientific(step.inherited), "from the values before", True
    yield "Growth", f"×{scientific(step.growth)}", step.kind, grows


def _place(finding: Divergence) -> Iterator[tuple[str, str]]:
    """Where in both graphs, as title and text."""
    place = finding.place
    if place.module_type:
        yield "PyTorch", f"{place.module or '(the whole)'} ({place.module_type})"
    for tensor in place.tensors:
        yield "tensor", tensor
    if place.op:
        value = f" → {place.value}" if place.value else ""
        yield "artifact", f"{place.op} ({place.kind}){value}"
    if place.blob:
        yield "constant", place.blob
