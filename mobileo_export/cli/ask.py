"""``mobileo-export ask``: picture and question to text."""

from __future__ import annotations

from typing import Annotated

import typer

from mobileo_export.cli import pipeline, sources
from mobileo_export.cli.output import print_json, print_warning


def command(
    *,
    source: pipeline.Source,
    photo: pipeline.Photo,
    question: Annotated[str, typer.Argument(help="About the picture.")],
    temperature: pipeline.Temperature = None,
    top_p: pipeline.TopP = None,
    max_new_tokens: pipeline.MaxNewTokens = None,
    seed: Annotated[int, typer.Option(help="Of the choice of tokens above temperature 0.")] = 0,
    runtime: pipeline.Runtime = "auto",
    weights: pipeline.Weights = "released",
    offline: pipeline.Offline = False,
    json: pipeline.Json = False,
    quiet: pipeline.Quiet = False,
) -> None:
    """Answer a question about a picture; the text appears as it is made."""
    import time

    from mobileo_export.pipelines import answer, images
    from mobileo_export.pipelines.model import open_model
    from mobileo_export.pipelines.needs import NEEDS
    from mobileo_export.pipelines.tokens import check_text

    check_text(question)
    pixels = images.read(photo)
    source = sources.local(source, offline, quiet or json)
    started = time.perf_counter()
    needed = NEEDS["ask"]
    with open_model(source, runtime, weights, offline=offline, needs=needed) as model:
        sources.tell(model.notes)
        how = answer.Sampling.of(model.recipe, temperature, top_p, max_new_tokens, seed)
        with pipeline.streaming(quiet, json, needed) as (on_progress, on_text):
            found = answer.ask(model, pixels, question, how, on_text, on_progress)
    pipeline.warn_cut("the question", found.cut)
    if json:
        print_json(pipeline.answer_result(found, time.perf_counter() - started))
    elif found.ended == "length":
        print_warning(f"stopped after {len(found.token_ids)} tokens; see --max-new-tokens")
