"""``mobileo-jetson generate``, ``ask``, ``edit`` and ``chat``: the words of ``mobileo-export``."""

from __future__ import annotations

from typing import Annotated

import typer

from mobileo_export.cli import ask as asking
from mobileo_export.cli import chat as chatting
from mobileo_export.cli import edit as editing
from mobileo_export.cli import generate as generating
from mobileo_export.cli import pipeline
from mobileo_export.jetson.cli import options

_SEEN = ("vision_encoder", "llm")
_DRAWN = ("llm", "mcp", "dit", "vae_decoder")


def generate(
    *,
    bundle: options.Bundle,
    prompt: Annotated[str, typer.Argument(help="What the picture shows, in words.")],
    output: pipeline.Output,
    steps: pipeline.Steps = None,
    guidance: pipeline.Guidance = None,
    seed: pipeline.Seed = 0,
    runtime: options.Runtime = "tensorrt",
    ignore_budget: options.IgnoreBudget = False,
    json: pipeline.Json = False,
    quiet: pipeline.Quiet = False,
) -> None:
    """Draw what a text says."""
    options.prepare(bundle, runtime, _DRAWN, quiet=quiet or json, ignore_budget=ignore_budget)
    generating.command(
        source=str(bundle),
        prompt=prompt,
        output=output,
        steps=steps,
        guidance=guidance,
        seed=seed,
        runtime=runtime,
        offline=True,
        json=json,
        quiet=quiet,
    )


def edit(
    *,
    bundle: options.Bundle,
    photo: pipeline.Photo,
    instruction: Annotated[str, typer.Argument(help="What to change, in words.")],
    output: pipeline.Output,
    steps: pipeline.Steps = None,
    guidance: pipeline.Guidance = None,
    seed: pipeline.Seed = 0,
    runtime: options.Runtime = "tensorrt",
    ignore_budget: options.IgnoreBudget = False,
    json: pipeline.Json = False,
    quiet: pipeline.Quiet = False,
) -> None:
    """Draw a picture anew, with a change."""
    needed = ("vision_encoder", *_DRAWN)
    options.prepare(bundle, runtime, needed, quiet=quiet or json, ignore_budget=ignore_budget)
    editing.command(
        source=str(bundle),
        photo=photo,
        instruction=instruction,
        output=output,
        steps=steps,
        guidance=guidance,
        seed=seed,
        runtime=runtime,
        offline=True,
        json=json,
        quiet=quiet,
    )


def ask(
    *,
    bundle: options.Bundle,
    photo: pipeline.Photo,
    question: Annotated[str, typer.Argument(help="About the picture.")],
    temperature: pipeline.Temperature = None,
    top_p: pipeline.TopP = None,
    max_new_tokens: pipeline.MaxNewTokens = None,
    seed: Annotated[int, typer.Option(help="Of the choice of tokens above temperature 0.")] = 0,
    runtime: options.Runtime = "tensorrt",
    ignore_budget: options.IgnoreBudget = False,
    json: pipeline.Json = False,
    quiet: pipeline.Quiet = False,
) -> None:
    """Answer a question about a picture; the text appears as it is made."""
    options.prepare(bundle, runtime, _SEEN, quiet=quiet or json, ignore_budget=ignore_budget)
    asking.command(
        source=str(bundle),
        photo=photo,
        question=question,
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=max_new_tokens,
        seed=seed,
        runtime=runtime,
        offline=True,
        json=json,
        quiet=quiet,
    )


def chat(
    *,
    bundle: options.Bundle,
    temperature: pipeline.Temperature = None,
    top_p: pipeline.TopP = None,
    max_new_tokens: pipeline.MaxNewTokens = None,
    seed: Annotated[int, typer.Option(help="Of the choice of tokens above temperature 0.")] = 0,
    runtime: options.Runtime = "tensorrt",
    ignore_budget: options.IgnoreBudget = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    quiet: pipeline.Quiet = False,
) -> None:
    """Talk with the model; an empty line or /exit ends, /reset forgets what was said."""
    options.prepare(bundle, runtime, ("llm",), quiet=quiet or json, ignore_budget=ignore_budget)
    chatting.command(
        source=str(bundle),
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=max_new_tokens,
        seed=seed,
        runtime=runtime,
        offline=True,
        json=json,
        quiet=quiet,
    )
