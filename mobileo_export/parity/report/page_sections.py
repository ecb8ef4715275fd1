"""Sections of the page: controls, mutations, golden traces, times."""

from __future__ import annotations

from collections.abc import Sequence

from mobileo_export.html.text import (
    figure,
    mark,
    name,
    number,
    plural,
    scientific,
    seconds,
    section,
    table,
    text,
)
from mobileo_export.parity.report.page_data import Json, figures_table, outputs, problem, title


def controls(components: Sequence[Json]) -> str:
    """Damage done to outputs on purpose, by component."""
    tally: dict[str, dict[str, list[bool]]] = {}
    for component in components:
        key = str(component["gate"]["component"])
        listed = [*component["controls"]]
        for _, output in outputs(component):
            listed += output["controls"]
        for control in listed:
            noticed = tally.setdefault(str(control["damage"]), {}).setdefault(key, [])
            noticed.append(bool(control["noticed"]))
    if not tally:
        return ""
    names = list(dict.fromkeys(str(c["gate"]["component"]) for c in components))
    rows = [
        (text(damage), *(_share(found.get(key)) for key in names))
        for damage, found in tally.items()
    ]
    total = [noticed for found in tally.values() for each in found.values() for noticed in each]
    return section(
        "controls",
        "Would the gates notice?",
        f"Every run does damage on purpose to copies of the outputs, and the gates rejected "
        f"{sum(total):,} of {len(total):,}. One that let damage pass would fail this report.",
        table("Damage to outputs", ("damage", *(_plain_name(n) for n in names)), rows),
    )


def mutations(suite: Json | None) -> str:
    """Damage done to the artifacts themselves."""
    if suite is None:
        return ""
    rows, tally = [], dict.fromkeys(("caught", "equivalent", "within rounding", "slipped"), 0)
    for component in suite["components"]:
        for mutant in component["mutants"]:
            verdict = str(mutant["verdict"])
            tally[verdict] = tally.get(verdict, 0) + 1
            rows.append(_mutant(mutant, verdict))
    counted = ", ".join(f"{count:,} {text(verdict)}" for verdict, count in tally.items() if count)
    columns = ("mutation", "component", "site", "verdict", "caught by", "worst slice")
    skipped = "".join(
        f'<p class="skip">{name(item["component"])}: {text(item["reason"])}</p>'
        for item in suite.get("skipped", ())
    )
    return section(
        "mutations",
        "Damage to the artifacts",
        f"Each artifact was damaged in the ways that tools go wrong, and judged again: {counted}. "
        "A mutant that changes no output, or less than rounding does, is no miss.",
        skipped + table("Mutants", columns, rows),
    )


def _mutant(mutant: Json, verdict: str) -> tuple[str, ...]:
    site, catch, missed = mutant["site"], mutant["catch"], mutant["missed"]
    place = site["module"] or site["operation"]
    by = worst = ""
    if catch:
        rows = [f"{name(r['metric'])} {figure(r['metric'], r['value'])}" for r in catch["rows"]]
        by = f"{text(catch['case'])}: {text(catch['problem'] or '')}{', '.join(rows)}"
        if catch["worst"]:
            worst = f"{text(catch['worst'])}: {scientific(catch['worst_error'])}"
    elif mutant["proof"]:
        by = text(mutant["proof"]["reason"])
    elif missed:
        near = figure(missed["metric"], missed["value"])
        by = (
            f"nothing; closest {text(missed['case'])}: {name(missed['metric'])} {near}, "
            f"bound {figure(missed['metric'], missed['limit'])}"
        )
    kind, title = f"<b>{text(mutant['kind'])}</b>", name(mutant["component"])
    said = mark(verdict != "slipped", verdict)
    return (
        kind,
        title,
        ": ".join(text(part) for part in (place, site["detail"]) if part),
        said,
        by,
        worst,
    )


def replay(found: Json | None) -> str:
    """Golden traces run again, as ``golden.replay.Replay.as_json`` gives them."""
    if found is None:
        return ""
    checks = found["checks"]
    failed = len(checks["failed"])
    lead = (
        "The calls that were recorded in the bundle, run again from their inputs. Of "
        f"{plural(int(checks['total']), 'part')} that need no weights, {failed} "
        f"{'is' if failed == 1 else 'are'} not as recorded."
    )
    problems = "".join(problem(f"{item['name']}: {item['problem']}") for item in checks["failed"])
    return section(
        "replay", "Golden traces", lead, problems + figures_table(found["comparison"]["components"])
    )


def times(components: Sequence[Json]) -> str:
    """Seconds of both sides, summed over cases."""
    rows = []
    for component in components:
        cases = component["cases"]
        truth = sum(number(case["reference_seconds"]) for case in cases)
        ran = [case["artifact_seconds"] for case in cases if case["artifact_seconds"] is not None]
        found = sum(map(number, ran)) if ran else None
        ratio = f"{scientific(found / truth)}×" if found is not None and truth > 0 else "–"
        gate = component["gate"]
        small = f"<small>· {text(gate['precision'])} on {text(gate['runtime'])}</small>"
        label = f"{title(component)} {small}"
        rows.append((label, str(len(cases)), seconds(truth), seconds(found), ratio))
    columns = ("component", "cases", "PyTorch", "artifact", "ratio")
    return section(
        "times",
        "Time",
        "Wall time of both sides on the machine that compared them, loading excluded. An evaluator "
        "on a computer says nothing about a phone.",
        table("Seconds by component", columns, rows, (1, 2, 3, 4)),
    )


def _plain_name(component: str) -> str:
    import html

    return html.unescape(name(component))


def _share(noticed: Sequence[bool] | None) -> str:
    if noticed is None:
        return '<span class="none">–</span>'
    return mark(all(noticed), f"{sum(noticed)}/{len(noticed)}")
