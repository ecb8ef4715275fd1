"""``mobileo-export chat``: a conversation in text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from mobileo_export.cli import options, pipeline, sources, streams
from mobileo_export.cli.output import print_error, print_warning

_HELP = "An empty line or /exit ends, /reset forgets what was said."


def command(
    *,
    source: options.Source,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    max_new_tokens: options.MaxNewTokens = None,
    seed: options.TokenSeed = 0,
    runtime: options.Runtime = "auto",
    weights: options.Weights = "released",
    offline: options.Offline = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Talk with the model; it remembers what was said.

    One message a line, from the terminal or a pipe. An empty line or /exit ends, /reset forgets
    what was said.
    """
    import json as encoder
    import time

    from mobileo_export.errors import UsageError
    from mobileo_export.pipelines import answer
    from mobileo_export.pipelines.model import open_model
    from mobileo_export.pipelines.needs import NEEDS

    source = sources.local(source, offline, quiet or json)
    needed = NEEDS["chat"]
    with open_model(source, runtime, weights, offline=offline, keep=True, needs=needed) as model:
        sources.tell(model.notes)
        how = answer.Sampling.of(model.recipe, temperature, top_p, max_new_tokens, seed)
        chat = answer.Chat(model, how)
        if sys.stdin.isatty() and not json:
            print(_HELP, file=sys.stderr)
        for message in _messages(json):
            if streams.unread():
                return
            if message == "/reset":
                chat.turns = []
                continue
            started = time.perf_counter()
            try:
                with pipeline.streaming(quiet, json, needed) as (on_progress, on_text):
                    found = chat.send(message, on_text, on_progress)
            except UsageError as error:  # this message cannot be answered; the next one may be
                if not sys.stdin.isatty():
                    raise
                print_error(str(error))
                continue
            pipeline.warn_cut("the conversation", found.cut, "beginning")
            if json:
                result = pipeline.answer_result(found, time.perf_counter() - started)
                print(encoder.dumps(result, ensure_ascii=False, sort_keys=True), flush=True)
            elif found.ended == "length":
                print_warning(f"stopped after {len(found.token_ids)} tokens; see --max-new-tokens")


def _messages(json: bool) -> Iterator[str]:
    """What is typed or piped in, until an empty line, /exit or the end."""
    interactive = sys.stdin.isatty() and not json
    if interactive:
        import readline  # noqa: F401  # gives input() its line editing
    while True:
        try:
            line = input("> ") if interactive else sys.stdin.readline()
        except EOFError:
            return
        if not line.strip() or line.strip() == "/exit":
            return
        yield line.strip()
