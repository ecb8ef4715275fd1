"""``mobileo-export edit``: picture and text to picture."""

from __future__ import annotations

from typing import Annotated

import typer

from mobileo_export.cli import options, pictures, pipeline, sources
from mobileo_export.cli.output import progress_display


def command(
    *,
    source: options.Source,
    photo: pictures.Photo = None,
    instruction: Annotated[
        str | None, typer.Argument(metavar="INSTRUCTION", help="What to change, in words.")
    ] = None,
    output: options.Output,
    image: pictures.Image = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    seed: options.Seed = 0,
    runtime: options.Runtime = "auto",
    weights: options.Weights = "released",
    offline: options.Offline = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw a picture anew, with a change.

    The model sees the picture and draws another one from what it understood; it does not paint
    over the pixels.
    """
    import time

    from mobileo_export.pipelines import generate, images
    from mobileo_export.pipelines.drawing import Drawing
    from mobileo_export.pipelines.model import open_model
    from mobileo_export.pipelines.needs import NEEDS
    from mobileo_export.pipelines.tokens import check_text

    path, (words,) = pictures.meant(image, (photo, instruction), "what to change", most=1)
    check_text(words)
    pixels = images.read(path)
    source = sources.local(source, offline, quiet or json)
    started = time.perf_counter()
    with open_model(source, runtime, weights, offline=offline, needs=NEEDS["edit"]) as model:
        sources.tell(model.notes)
        drawing = Drawing.of(model.recipe, steps, guidance, seed)
        with progress_display(quiet or json, NEEDS["edit"]) as show:
            picture = generate.edit(model, pixels, words, drawing, show)
    pipeline.warn_cut("the instruction", picture.cut)
    pictures.write(output, picture, words, time.perf_counter() - started, as_json=json)
