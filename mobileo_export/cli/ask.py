"""``mobileo-export ask``: picture and question to text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mobileo_export.cli import options, pictures, pipeline, sources
from mobileo_export.cli.output import print_json, print_warning

if TYPE_CHECKING:
    from mobileo_export.pipelines.answer import Answer


def command(
    *,
    source: options.Source,
    photo: pictures.Photo = None,
    questions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUESTION...",
            help="Questions about the picture; each knows what was said before.",
        ),
    ] = None,
    image: pictures.Image = None,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    max_new_tokens: options.MaxNewTokens = None,
    seed: options.TokenSeed = 0,
    runtime: options.Runtime = "auto",
    weights: options.Weights = "released",
    offline: options.Offline = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Answer questions about a picture; the text appears as it is made.

    A further question goes on from what was said: the picture and the earlier questions are not
    read again. With --json, several questions give one JSON object a line.
    """
    import time

    from mobileo_export.pipelines import answer, images
    from mobileo_export.pipelines.dialog import VisualDialog
    from mobileo_export.pipelines.model import open_model
    from mobileo_export.pipelines.needs import NEEDS
    from mobileo_export.pipelines.tokens import check_text, check_words

    path, asked = pictures.meant(image, (photo, *(questions or ())), "a question")
    for question in asked:  # before the first is answered
        check_text(question)
        check_words("the question", question)
    pixels = images.read(path)
    source = sources.local(source, offline, quiet or json)
    started = time.perf_counter()
    needed = NEEDS["ask"]
    with open_model(source, runtime, weights, offline=offline, needs=needed) as model:
        sources.tell(model.notes)
        how = answer.Sampling.of(model.recipe, temperature, top_p, max_new_tokens, seed)
        with VisualDialog(model, pixels, how) as dialog:
            for question in asked:
                with pipeline.streaming(quiet, json, needed) as (on_progress, on_text):
                    found = dialog.ask(question, on_text, on_progress)
                if len(asked) == 1:
                    pipeline.warn_cut("the question", found.cut)
                else:
                    pipeline.warn_cut("the dialog", found.cut, "beginning")
                _show(found, time.perf_counter() - started, json, several=len(asked) > 1)
                started = time.perf_counter()


def _show(found: Answer, seconds: float, json: bool, several: bool) -> None:
    """What is said behind the text of an answer."""
    import json as encoder

    if not json:
        if found.ended == "length":
            print_warning(f"stopped after {len(found.token_ids)} tokens; see --max-new-tokens")
        return
    result = pipeline.answer_result(found, seconds)
    if several:
        print(encoder.dumps(result, ensure_ascii=False, sort_keys=True), flush=True)
    else:
        print_json(result)
