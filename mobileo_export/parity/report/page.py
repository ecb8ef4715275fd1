"""A comparison as one HTML file to look at: no network, no other file, no script.

What it says is computed here, and in ``page_data`` and ``page_charts``; how, the templates say:
``page.html``, which takes its sections from those beside it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.html.origin import without_path
from mobileo_export.html.render import render as render_template
from mobileo_export.html.text import figure, name
from mobileo_export.parity import cases
from mobileo_export.parity import pictures as pictures_given
from mobileo_export.parity.report import page_charts as charts
from mobileo_export.parity.report import page_data as data
from mobileo_export.parity.report.page_data import Json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.parity.chain.results import Pictures

_GIVEN_SIZE = 128  # pixels a side, of a picture that the encoder gets larger
Tile = tuple[str, str, str, bool]
# What the templates call.
NAMES = {
    "Axis": charts.Axis,
    "levels": charts.LEVELS,
    "markers": charts.MARKERS,
    "shapes": charts.SHAPES,
    "axis_of": charts.axis_of,
    "heats": charts.heats,
    "is_finite": math.isfinite,
    "bounds": data.bounds,
    "bounds_of": data.bounds_of,
    "error_of": data.error_of,
    "outputs": data.outputs,
    "percent": data.percent,
    "ranked": data.ranked,
    "share_of_bound": data.share_of_bound,
    "spent": data.spent,
    "tightest": data.tightest,
}


def render(
    comparison: Json,
    chain: Json | None = None,
    mutations: Json | None = None,
    replay: Json | None = None,
    *,
    pictures: Mapping[str, Pictures] | None = None,
    environment: Mapping[str, str] | None = None,
    machine: Mapping[str, str] | None = None,
    back: str | None = None,
) -> str:
    """The page. The same values give the same text.

    Args:
        comparison: as ``results.as_json`` gives it; an output may carry ``profiles``, the fields
            of ``profile.Profile``.
        chain: as ``chain.results.as_json`` gives it; None when it was not run.
        mutations: as ``mutations.as_json`` gives them; None when they were not run.
        replay: as ``golden.replay.Replay.as_json`` gives it; None when it was not run.
        pictures: of the chain, by the chain's name.
        environment: versions by name, such as the manifest's ``tools``.
        machine: what compared, by name.
        back: the address of a page that leads here, relative to this one.
    """
    named = {place: without_path(comparison[place]) for place in ("bundle", "checkpoint")}
    comparison = {**comparison, **named}
    components = comparison["components"]
    parts = comparison, chain, mutations, replay
    ok = _holds(*parts)
    controls = data.controls(components)
    noticed = [each for found in controls.values() for all_ in found.values() for each in all_]
    mutants = [m for c in mutations["components"] for m in c["mutants"]] if mutations else []
    values = {
        "comparison": comparison,
        "chain": chain,
        "mutations": mutations,
        "replay": replay,
        "pictures": pictures or {},
        "tools": environment or {},
        "machine": machine or {},
        "back": back,
        "words": {"prompt": cases.PROMPT, "edit": cases.INSTRUCTION},
        "given": _given,
        "ok": ok,
        "verdict": _verdict(comparison, ok),
        "shown": _tiles(comparison, chain, mutations),
        "failures": _failures(*parts),
        "unchecked": _unchecked(*parts),
        "provisional": _provisional(comparison, chain),
        "compared": list(dict.fromkeys(c["gate"]["component"] for c in components)),
        "cases": sum(len(component["cases"]) for component in components),
        "controls": controls,
        "noticed": sum(noticed),
        "done": len(noticed),
        "mutants": mutants,
        "verdicts": _counted(mutants),
    }
    return render_template("parity/report/page.html", values, NAMES)


def _given(chain: str) -> NDArray[np.uint8] | None:
    """The picture that a chain begins with; None where it has words alone."""
    if chain != "edit":
        return None
    values = pictures_given.drawn(_GIVEN_SIZE).transpose(1, 2, 0)
    return np.rint(values * 255).astype(np.uint8)


def _holds(
    comparison: Json, chain: Json | None, mutations: Json | None, replay: Json | None
) -> bool:
    return (
        bool(comparison["ok"])
        and (chain is None or bool(chain["skipped"]) or bool(chain["ok"]))
        and (mutations is None or mutations["slipped"] == 0)
        and (replay is None or bool(replay["ok"]))
    )


def _verdict(comparison: Json, ok: bool) -> str:
    if any(line.startswith("seal: ") for line in comparison["failures"]):
        return "The bundle is not as it was sealed, and was not run"
    if not comparison["components"]:
        return "Nothing was compared"
    computes = "computes" if ok else "does not compute"
    return f"The bundle {computes} what its checkpoint computes"


def _failures(
    comparison: Json, chain: Json | None, mutations: Json | None, replay: Json | None
) -> list[str]:
    lines = list(comparison["failures"])
    if chain is not None:
        lines += chain["failures"]
    for component in mutations["components"] if mutations is not None else ():
        lines += [
            f"{mutant['component']}: no gate noticed {mutant['kind']} "
            f"at {mutant['site']['module'] or mutant['site']['operation']}"
            for mutant in component["mutants"]
            if mutant["verdict"] == "slipped"
        ]
    if replay is not None:
        lines += [f"golden traces: {line}" for line in replay["failures"]]
    return lines


def _unchecked(
    comparison: Json, chain: Json | None, mutations: Json | None, replay: Json | None
) -> list[str]:
    lines = [f"{skip['component']}: {skip['reason']}" for skip in comparison["skipped"]]
    if chain is None:
        lines.append("from prompt to picture: the chain was not run")
    elif chain["skipped"]:
        lines.append(f"from prompt to picture: {chain['skipped']}")
    elif chain["unchecked"]:
        lines.append(f"from prompt to picture, {chain['unchecked']}")
    if mutations is None:
        lines.append("damage to the artifacts: no mutation was run")
    if replay is None:
        lines.append("golden traces: none were run")
    return lines


def _provisional(comparison: Json, chain: Json | None) -> list[str]:
    gates = [component["gate"] for component in comparison["components"]]
    lines = [
        f"{gate['component']}: the gate for {gate['precision']} on {gate['runtime']} is "
        "provisional; no measurement stands behind it yet"
        for gate in gates
        if gate["provisional"]
    ]
    if chain is not None and not chain["skipped"] and chain["gate"]["provisional"]:
        lines.append(f"the gate of the chain on {chain['gate']['runtime']} is provisional")
    return list(dict.fromkeys(lines))


def _tiles(comparison: Json, chain: Json | None, mutations: Json | None) -> list[Tile]:
    checks = [
        row["holds"]
        for component in comparison["components"]
        for _, output in data.outputs(component)
        for row in output["rows"]
    ]
    noticed, total = comparison["controls"]["noticed"], comparison["controls"]["total"]
    tiles = [
        ("Bounds that hold", _of(sum(checks), len(checks)), _closest(comparison), all(checks)),
        ("Spoiled outputs noticed", _of(noticed, total), "spoiled on purpose", noticed == total),
    ]
    drawn = [] if chain is None else [(c, c["gate"] or chain["gate"]) for c in chain["chains"]]
    for item, gate in drawn:
        image = item["image"]
        shown = figure(image["psnr"], "psnr") if image else "no picture"
        limit = f"at least {figure(gate['psnr'], 'psnr')}"
        tiles.append((f"Picture, {item['name']}", shown, limit, item["ok"]))
    if mutations is not None:
        slipped = int(mutations["slipped"])
        every = [m["verdict"] for c in mutations["components"] for m in c["mutants"]]
        caught = every.count("caught")
        tiles.append(
            (
                "Damaged artifacts caught",
                _of(caught, caught + slipped),
                f"{slipped} slipped",
                not slipped,
            )
        )
    skipped = len(comparison["skipped"])
    if skipped:
        tiles.append(("Components skipped", str(skipped), "see below", True))
    return tiles


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}"


def _closest(comparison: Json) -> str:
    shares = [
        (data.share_of_bound(row), name(component["gate"]["component"]))
        for component in comparison["components"]
        for row in data.bounds_of([component])
    ]
    if not shares:
        return "none"
    share, component = max(shares)
    return f"closest: {component}, {data.percent(share)}"


def _counted(mutants: Sequence[Json]) -> dict[str, int]:
    """Mutants by verdict, in the order of how well that is."""
    tally = Counter(str(mutant["verdict"]) for mutant in mutants)
    known = ("caught", "equivalent", "within rounding", "slipped")
    return {verdict: tally[verdict] for verdict in (*known, *tally) if tally[verdict]}
