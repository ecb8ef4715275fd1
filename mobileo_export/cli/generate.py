"""``mobileo-export generate``: text to picture."""

from __future__ import annotations

from typing import Annotated

import typer

from mobileo_export.cli import options, pictures, pipeline, sources
from mobileo_export.cli.output import progress_display


def command(
    *,
    source: options.Source,
    prompt: Annotated[str, typer.Argument(help="What the picture shows, in words.")],
    output: options.Output,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    seed: options.Seed = 0,
    runtime: options.Runtime = "auto",
    weights: options.Weights = "released",
    offline: options.Offline = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw what a text says.

    The same source, text, steps, guidance and seed give the same picture on every machine, up to
    the rounding of its arithmetic.
    """
    import time

    from mobileo_export.pipelines import generate
    from mobileo_export.pipelines.drawing import Drawing
    from mobileo_export.pipelines.model import open_model
    from mobileo_export.pipelines.needs import NEEDS
    from mobileo_export.pipelines.tokens import check_text

    check_text(prompt)
    source = sources.local(source, offline, quiet or json)
    started = time.perf_counter()
    with open_model(source, runtime, weights, offline=offline, needs=NEEDS["generate"]) as model:
        sources.tell(model.notes)
        drawing = Drawing.of(model.recipe, steps, guidance, seed)
        with progress_display(quiet or json, NEEDS["generate"]) as show:
            picture = generate.generate(model, prompt, drawing, show)
    pipeline.warn_cut("the text", picture.cut)
    pictures.write(output, picture, prompt, time.perf_counter() - started, as_json=json)
