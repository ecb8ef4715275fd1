"""The chained comparison on the page: pictures side by side, and the drift curve."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mobileo_export.html.text import (
    details,
    figure,
    mark,
    number,
    plural,
    scientific,
    seconds,
    section,
    table,
    text,
)
from mobileo_export.parity.report import page_charts as charts
from mobileo_export.parity.report.page_data import Json, data, problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.parity.chain.results import Pictures

_LARGEST_PNG = 300_000  # noise does not compress; what is larger is shown as JPEG
_STAGES = ("mcp", "dit", "vae_decoder")


def chained(chain: Json | None, pictures: Mapping[str, Pictures]) -> str:
    """The section; nothing when the chain was not run or was skipped."""
    if chain is None or chain["skipped"]:
        return ""
    gate, drawing = chain["gate"], chain["drawing"]
    lead = (
        "The same hidden states and the same noise through both sides, each going its own way: "
        f"{plural(int(drawing['steps']), 'step')}, guidance {text(drawing['guidance'])}, seed "
        f"{text(drawing['seed'])}, {text(gate['precision'])} on {text(gate['runtime'])}. The gate "
        f"asks for {figure('psnr', gate['psnr'])} of the image and a relative L2 of "
        f"{scientific(gate['latent'])} of the final latent."
    )
    drawn = "".join(_chain(item, gate, pictures.get(item["name"])) for item in chain["chains"])
    return section("chain", "From prompt to picture", lead, drawn)


def _chain(item: Json, gate: Json, pictures: Pictures | None) -> str:
    provisional = '<span class="tag">provisional gate</span>' * bool(gate["provisional"])
    head = (
        f"<header><h3>{text(item['name'])} <small>{plural(int(item['tokens']), 'token')}</small>"
        f"</h3>{mark(item['ok'])}{provisional}</header>"
    )
    if item["problem"]:
        return f"<article>{head}{problem(item['problem'])}</article>"
    image = item["image"]
    shown = _pictures(item, image, pictures) if pictures is not None and image else ""
    facts = _facts(item, image, gate) if image else ""
    return f"<article>{head}{facts}{shown}{_drift(item, gate)}</article>"


def _facts(item: Json, image: Json, gate: Json) -> str:
    pixels = image["pixels"]
    verdicts = {row["metric"]: row["holds"] for row in item["rows"]}
    differing = int(pixels["differing"])
    alike = (
        f"{differing:,} of {int(pixels['total']):,} differ, by {int(pixels['largest'])} at most"
        if differing
        else f"all {int(pixels['total']):,} are equal"
    )
    worst = image["worst_patch"]
    patch = f"{', '.join(map(str, worst['index']))}: {scientific(worst['error'])}" if worst else "–"
    latent = item["steps"][-1]["latent"]["relative_l2"]
    facts = (
        ("Image PSNR", data(image["psnr"], figure("psnr", image["psnr"])), verdicts.get("psnr")),
        ("Final latent", data(latent, scientific(latent)), verdicts.get("latent")),
        ("8-bit pixels", alike, None),
        ("Worst patch", patch, None),
    )
    cells = "".join(
        f"<div{'' if ok in (None, True) else chr(32) + 'class=failed'}><dt>{title}</dt>"
        f"<dd>{shown}</dd></div>"
        for title, shown, ok in facts
    )
    return f'<dl class="facts">{cells}</dl>'


def _pictures(item: Json, image: Json, pictures: Pictures) -> str:
    factor = number(image["amplified"])
    says = f"amplified {factor:,.0f} times" if factor else "no difference"
    subject = text(item["name"])
    figures = (
        (pictures.reference, "Reference", "PyTorch", f"Picture drawn by PyTorch for {subject}"),
        (pictures.artifact, "Artifact", "the bundle", f"Picture drawn by the bundle for {subject}"),
        (pictures.difference, "Difference", says, f"Difference of the two, {says}"),
    )
    shown = "".join(
        f'<figure><img src="{data_uri(values)}" width="{values.shape[1]}" '
        f'height="{values.shape[0]}" alt="{alt}"><figcaption><b>{title}</b> {says}</figcaption>'
        "</figure>"
        for values, title, says, alt in figures
    )
    return f'<div class="pictures">{shown}</div>'


def _drift(item: Json, gate: Json) -> str:
    steps = item["steps"]
    series = [
        (kind, [number(step[key]["relative_l2"]) for step in steps])
        for kind, key in (("diamond", "velocity"), ("circle", "latent"))
    ]
    bound = ("bound of the final latent", number(gate["latent"]))
    last = [scientific(values[-1]) for _, values in series]
    label = (
        f"Relative L2 by step, logarithmic: the velocity ends at {last[0]}, the latent at {last[1]}"
    )
    chart = charts.curve(series, [f"{step['timestep']:g}" for step in steps], bound, label)
    rows = [
        (
            str(step["index"] + 1),
            f"{step['timestep']:g}",
            *(
                cell
                for key in ("velocity", "latent")
                for cell in (
                    data(step[key]["relative_l2"], scientific(step[key]["relative_l2"])),
                    _worst(step[key]["worst"]),
                )
            ),
        )
        for step in steps
    ]
    columns = ("step", "timestep", "velocity", "worst slice", "latent", "worst slice")
    drift = table(f"Drift of {item['name']}", columns, rows, (0, 1, 2, 4))
    key = "".join(
        f'<li><svg width="14" height="14" aria-hidden="true">'
        f"{charts.marker(kind, '7', 7, f'dot k-{kind}')}</svg>{title}</li>"
        for kind, title in (("diamond", "guided velocity"), ("circle", "latent after the step"))
    )
    return f'<h4>Drift, relative L2 by timestep</h4><ul class="legend">{key}</ul>{chart}' + details(
        "Conditioning, steps and times as tables", _conditioning(item) + drift
    )


def _conditioning(item: Json) -> str:
    rows = [
        (f"conditioning, {text(branch)}", scientific(drift["relative_l2"]), _worst(drift["worst"]))
        for branch, drift in item["conditioning"].items()
    ]
    truth, found = item["reference_seconds"], item["artifact_seconds"] or {}
    spent = [(text(stage), seconds(truth[stage]), seconds(found.get(stage))) for stage in _STAGES]
    return table("Conditioning", ("tensor", "relative L2", "worst slice"), rows, (1,)) + table(
        "Time", ("stage", "PyTorch", "artifact"), spent, (1, 2)
    )


def _worst(worst: Json | None) -> str:
    if worst is None:
        return "–"
    index = ", ".join(map(str, worst["index"]))
    return f"{text(worst['family'])} {index}: {data(worst['error'], scientific(worst['error']))}"


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """[H, W, 3] as a PNG, or as a JPEG of high quality where that would be large."""
    from PIL import Image

    picture, data, kind = Image.fromarray(pixels), io.BytesIO(), "png"
    picture.save(data, "PNG", optimize=True)
    if data.tell() > _LARGEST_PNG:
        data, kind = io.BytesIO(), "jpeg"
        picture.save(data, "JPEG", quality=92, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
