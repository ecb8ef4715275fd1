"""A comparison as one HTML file to look at: no network, no other file, no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mobileo_export.html.style import STYLE
from mobileo_export.html.text import figure, name, plural, text
from mobileo_export.parity.report import page_errors as errors
from mobileo_export.parity.report import page_sections as sections
from mobileo_export.parity.report.page_chain import chained
from mobileo_export.parity.report.page_data import Json, bounds, outputs, percent, share_of_bound

if TYPE_CHECKING:
    from mobileo_export.parity.chain.results import Pictures

# The file may be opened from anywhere: nothing in it may load or run what it does not hold.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render(
    comparison: Json,
    chain: Json | None = None,
    mutations: Json | None = None,
    replay: Json | None = None,
    *,
    pictures: Mapping[str, Pictures] | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """The page. The same values give the same text.

    Args:
        comparison: as ``report.as_json`` gives it; an output may carry ``profiles``, the fields
            of ``page_profile.Profile``.
        chain: as ``chain_results.as_json`` gives it; None when it was not run.
        mutations: as ``mutations.as_json`` gives them; None when they were not run.
        replay: as ``golden.replay.Replay.as_json`` gives it; None when it was not run.
        pictures: of the chain, by the chain's name.
        environment: versions by name, such as the manifest's ``tools``.
    """
    components = comparison["components"]
    body = "\n".join(
        part
        for part in (
            chained(chain, pictures or {}),
            errors.errors(components),
            errors.where(components) if components else "",
            sections.controls(components),
            sections.mutations(mutations),
            sections.replay(replay),
            sections.times(components) if components else "",
            _environment(comparison, environment or {}),
        )
        if part
    )
    ok = _holds(comparison, chain, mutations, replay)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>Parity: {'holds' if ok else 'fails'} – {text(comparison['bundle'])}</title>"
        f"<style>{STYLE}</style></head>\n<body>\n"
        f"{_head(comparison, chain, mutations, replay, ok)}\n<main>\n{body}\n</main>\n"
        f"<footer>{text(comparison['generator']['name'])} "
        f"{text(comparison['generator']['version'])} · every figure in float64 arithmetic"
        f"</footer></body></html>\n"
    )


def _holds(
    comparison: Json, chain: Json | None, mutations: Json | None, replay: Json | None
) -> bool:
    return (
        bool(comparison["ok"])
        and (chain is None or bool(chain["skipped"]) or bool(chain["ok"]))
        and (mutations is None or mutations["slipped"] == 0)
        and (replay is None or bool(replay["ok"]))
    )


def _head(
    comparison: Json,
    chain: Json | None,
    mutations: Json | None,
    replay: Json | None,
    ok: bool,
) -> str:
    failures = _failures(comparison, chain, mutations, replay)
    sign = '<span class="sign" aria-hidden="true">✓</span> ' if ok else ""
    if any(line.startswith("seal: ") for line in comparison["failures"]):
        title = "The bundle is not as it was sealed, and was not run"
    elif not comparison["components"]:
        title = "Nothing was compared"
    elif ok:
        title = f"{sign}The bundle computes what its checkpoint computes"
    else:
        title = "The bundle does not compute what its checkpoint computes"
    cases = sum(len(component["cases"]) for component in comparison["components"])
    compared = dict.fromkeys(c["gate"]["component"] for c in comparison["components"])
    done = f"{plural(len(compared), 'component')} and {plural(cases, 'case')} compared"
    sub = (
        f"{text(comparison['bundle'])} against {text(comparison['checkpoint'])} "
        f"({text(comparison['weights'])} weights), on {text(comparison['runtime'])}. {done}."
    )
    return (
        f'<header class="verdict {"ok" if ok else "bad"}"><p class="eyebrow">Parity report</p>'
        f'<h1>{title}</h1><p class="sub">{sub}</p>'
        f"{_tiles(comparison, chain, mutations)}"
        f"{_panel('bad', plural(len(failures), 'failure'), failures)}"
        f"{_panel('warn', 'Not checked', _unchecked(comparison, chain, mutations, replay))}"
        f"{_panel('warn', 'Checked against estimates', _provisional(comparison, chain))}</header>"
    )


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
    if mutations is None:
        lines.append("damage to the artifacts: no mutation was run")
    else:
        lines += [
            f"damage to {s['component']}: {s['reason']}" for s in mutations.get("skipped", ())
        ]
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


def _panel(kind: str, title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f'<div class="panel {kind}" role="note"><h2>{text(title)}</h2><ul>{items}</ul></div>'


def _tiles(comparison: Json, chain: Json | None, mutations: Json | None) -> str:
    checks = [
        row["holds"]
        for component in comparison["components"]
        for _, output in outputs(component)
        for row in output["rows"]
    ]
    found = comparison["controls"]
    tiles = [
        ("Bounds that hold", _of(sum(checks), len(checks)), _closest(comparison), all(checks)),
        (
            "Damage noticed",
            _of(found["noticed"], found["total"]),
            "done to outputs on purpose",
            found["noticed"] == found["total"],
        ),
    ]
    for item in chain["chains"] if chain is not None else ():
        image = item["image"]
        shown = figure("psnr", image["psnr"]) if image else "no picture"
        limit = f"at least {figure('psnr', chain['gate']['psnr'])}" if chain is not None else ""
        tiles.append((f"Picture, {text(item['name'])}", shown, limit, item["ok"]))
    if mutations is not None:
        slipped = int(mutations["slipped"])
        every = [m["verdict"] for c in mutations["components"] for m in c["mutants"]]
        caught = every.count("caught")
        tiles.append(
            ("Mutants caught", _of(caught, caught + slipped), f"{slipped} slipped", not slipped)
        )
    skipped = len(comparison["skipped"])
    if skipped:
        tiles.append(("Components skipped", str(skipped), "see below", True))
    return f'<dl class="tiles">{"".join(_tile(*tile) for tile in tiles)}</dl>'


def _tile(title: str, value: str, note: str, ok: bool) -> str:
    state = "" if ok else ' class="failed"'
    return f"<div{state}><dt>{title}</dt><dd>{value}<small>{note}</small></dd></div>"


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}"


def _closest(comparison: Json) -> str:
    shares = [
        (share_of_bound(row), name(component["gate"]["component"]))
        for component in comparison["components"]
        for _, output in outputs(component)
        for row in bounds(output)
    ]
    if not shares:
        return "none"
    share, component = max(shares)
    return f"closest: {component}, {percent(share)}"


def _environment(comparison: Json, tools: Mapping[str, str]) -> str:
    facts: Iterable[tuple[str, str]] = (
        ("bundle", comparison["bundle"]),
        ("checkpoint", comparison["checkpoint"]),
        ("weights", comparison["weights"]),
        ("runtime", comparison["runtime"]),
        *sorted(tools.items()),
    )
    items = "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in facts)
    return (
        '<section aria-labelledby="environment"><h2 id="environment">Environment</h2>'
        '<p class="lead">What was compared, and the versions that made the bundle.</p>'
        f'<dl class="env">{items}</dl></section>'
    )
