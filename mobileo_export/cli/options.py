"""The options that several commands have; those that read or write more stand with what does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mobileo_export.runtimes import registry

Checkpoint = Annotated[
    str, typer.Argument(help="A checkpoint folder, a hub id, or miniature (the shipped one).")
]
MadeFrom = Annotated[
    str, typer.Option(help="The checkpoint it was made from: a folder, a hub id or miniature.")
]
Source = Annotated[
    str, typer.Argument(help="A bundle or checkpoint (folder or hub id), or miniature.")
]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="The picture to write: .png, .jpg or .webp; - for standard output."
    ),
]
Steps = Annotated[
    int | None, typer.Option(help="Steps of the scheduler, 1 to 500; the recipe's (20) by default.")
]
Guidance = Annotated[
    float | None,
    typer.Option(help="How much the text counts, 1 for plain; the recipe's (1.5) by default."),
]
Seed = Annotated[int, typer.Option(help="Seeds the noise, the same on every machine.")]
TokenSeed = Annotated[int, typer.Option(help="Seeds the choice of tokens above temperature 0.")]
Temperature = Annotated[
    float | None, typer.Option(help="0 takes the most probable token; the recipe's (0) by default.")
]
TopP = Annotated[
    float | None,
    typer.Option(help="The share of probability that takes part; the recipe's by default."),
]
MaxNewTokens = Annotated[
    int | None, typer.Option(help="The longest answer, in tokens; the recipe's (256) by default.")
]
Runtime = Annotated[
    registry.Choice,
    typer.Option(help="Run with this what it can run, the rest with auto's choice."),
]
Weights = Annotated[
    Literal["released", "post-trained"],
    typer.Option(help="Which of the two sets of weights of a checkpoint."),
]
Revision = Annotated[str | None, typer.Option(help="The commit, tag or branch of a hub id.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Use what the hub's cache holds, and no network.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
JsonOfAll = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
AllFigures = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show every figure of every component.")
]
