"""The page's error chart, and the strips that show where in a tensor the error lies."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mobileo_export.html.text import (
    details,
    figure,
    mark,
    name,
    number,
    plural,
    scientific,
    section,
    table,
    text,
)
from mobileo_export.parity.report import page_charts as charts
from mobileo_export.parity.report.page_data import (
    Json,
    bounds,
    figures_table,
    outputs,
    percent,
    problem,
    share_of_bound,
    title,
)


def errors(components: Sequence[Json]) -> str:
    """The chart of every figure beside its bound, and the table behind it."""
    every = [
        (component, case, output, row)
        for component in components
        for case, output in outputs(component)
        for row in bounds(output)
    ]
    if not every:
        return ""
    values = [charts.error_of(r["metric"], r[key]) for *_, r in every for key in ("value", "limit")]
    axis = charts.Axis.of(values)
    groups = "".join(_group(component, axis) for component in components)
    metrics = list(dict.fromkeys(str(row["metric"]) for *_, row in every))
    return section(
        "errors",
        "Error by component and case",
        "Each marker is a measured error on a logarithmic scale, each bar the bound of its gate; "
        "the line between is the room that is left. At the right, the share of the bound that "
        "the tightest figure takes. A PSNR is drawn as root-mean-square error over peak.",
        f"{charts.legend(metrics)}"
        f'<div class="dots" style="--d:{axis.high - axis.low}">{charts.scale(axis)}{groups}'
        f"{charts.scale(axis)}</div>"
        + details("All figures as a table", figures_table(components)),
    )


def _group(component: Json, axis: charts.Axis) -> str:
    lanes = []
    for case, output in outputs(component):
        drawn = bounds(output)
        tightest = max(map(share_of_bound, drawn), default=math.nan)
        label = text(case["name"])
        if len(case["outputs"]) > 1:
            label += f" <small>{text(output['name'])}</small>"
        body = charts.lane(drawn, axis) if drawn else problem(output["problem"])
        share = percent(tightest) if drawn else mark(False)
        lanes.append(
            f'<div class="row{"" if output["ok"] else " failed"}"><div class="label">{label}</div>'
            f'<div class="track">{body}</div><div class="share">{share}</div></div>'
        )
    problems = [component["problem"], *(case["problem"] for case in component["cases"])]
    lanes += [problem(why) for why in problems if why]
    gate = component["gate"]
    small = f"<small>· {text(gate['precision'])} on {text(gate['runtime'])}</small>"
    return f'<div class="group"><h3>{title(component)} {small}</h3>{"".join(lanes)}</div>'


def where(components: Sequence[Json]) -> str:
    """For each component its gate, and the errors of slices as strips."""
    articles = "".join(map(_component, components))
    swatches = "".join(f'<i class="h{k}"></i>' for k in range(charts.LEVELS))
    key = (
        '<p class="key"><span>1/1000 of the bound</span>'
        f'<span class="ramp">{swatches}</span><span>at the bound</span>'
        f'<i class="h{charts.LEVELS}"></i><span>beyond it</span>'
        '<i class="ringed"></i><span>worst</span></p>'
    )
    return section(
        "where",
        "Where the error lies",
        "The figures of a whole tensor hide local damage, so every token, channel and patch is "
        "held against the bound by itself. A cell shows the worst of the slices it stands for.",
        key + articles,
    )


def _component(component: Json) -> str:
    gate = component["gate"]
    ranked = sorted(
        outputs(component),
        key=lambda pair: (
            pair[1]["ok"],
            not pair[1].get("profiles"),
            -max(map(share_of_bound, bounds(pair[1])), default=math.inf),
        ),
    )
    drawn = [_strips(gate, case, output) for case, output in ranked]
    first, rest = "".join(drawn[:1]), "".join(drawn[1:])
    problems = "".join(problem(p) for p in [component["problem"]] if p)
    more = details(f"{plural(len(drawn) - 1, 'more output')} of this component", rest)
    return (
        f"<article><header><h3>{title(component)}</h3>{mark(component['ok'])}"
        f'{_provisional(gate)}</header><p class="meta">{text(component["path"])} · '
        f"{text(gate['precision'])} · {text(gate['runtime'])} · {_gate(gate)}</p>"
        f"{problems}{first}{more if rest else ''}{_cells(component)}</article>"
    )


def _cells(component: Json) -> str:
    """What the strips show, as numbers."""
    rows = [
        (
            text(case["name"]),
            text(output["name"]),
            f"{text(profile['family'])}, {profile['rows']} × {profile['columns']}",
            f"<code>{' '.join(text(value) for value in profile['errors'])}</code>",
        )
        for case, output in outputs(component)
        for profile in output.get("profiles") or ()
    ]
    columns = ("case", "output", "cells", "errors, row by row")
    return details("Slice errors as a table", table("Cells", columns, rows)) if rows else ""


def _strips(gate: Json, case: Json, output: Json) -> str:
    found = output["metrics"]
    head = f"<h4>{text(case['name'])} <small>{text(output['name'])}</small></h4>"
    if found is None:
        return f'<div class="output">{head}{problem(output["problem"])}</div>'
    worst = {item["family"]: item for item in found["worst"]}
    profiles = output.get("profiles") or []
    limit = math.inf if gate["worst_slice"] is None else number(gate["worst_slice"])
    strips = "".join(charts.heat(p, limit, worst.get(p["family"])) for p in profiles)
    if not profiles:
        listed = [
            f"{text(item['family'])} {', '.join(map(str, item['index']))}: "
            f"{scientific(item['error'])}"
            for item in found["worst"]
        ]
        strips = f'<p class="meta">Worst {"; worst ".join(listed) or "slice: none"}</p>'
    lines = [f"relative L2 {scientific(found['relative_l2'])}", figure("psnr", found["psnr"])]
    lines += [f"KL {figure('kl', found['kl'])}"] if found.get("kl") is not None else []
    return (
        f'<div class="output">{head}<p class="meta">{", ".join(lines)}</p>'
        f'<div class="heats">{strips}</div>{_controls_missed(output)}</div>'
    )


def _controls_missed(output: Json) -> str:
    missed = [control["damage"] for control in output["controls"] if not control["noticed"]]
    return "".join(problem(f"the gate would not notice {damage}") for damage in missed)


def _gate(gate: Json) -> str:
    listed = [
        f"{name(metric)} {'≥' if metric in {'psnr', 'top1', 'worst_cosine'} else '≤'} "
        f"{figure(metric, gate[metric])}"
        for metric in (
            "relative_l2",
            "psnr",
            "kl",
            "top1",
            "worst_cosine",
            "worst_token",
            "worst_slice",
        )
        if gate.get(metric) is not None
    ]
    return "gate: " + ", ".join(listed)


def _provisional(gate: Json) -> str:
    return '<span class="tag">provisional gate: not measured yet</span>' * bool(gate["provisional"])
