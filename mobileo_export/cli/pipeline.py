"""What the commands that use a model share: their options, and how they show what happens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mobileo_export.cli.flowing_text import FlowingText
from mobileo_export.cli.output import print_warning, progress_display
from mobileo_export.progress import OnProgress, Progress
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from mobileo_export.pipelines.answer import Answer
    from mobileo_export.pipelines.drawing import Drawing, Picture

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
Offline = Annotated[
    bool, typer.Option("--offline", help="Use what the hub's cache holds, and no network.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def warn_cut(what: str, cut: int, place: str = "end") -> None:
    """Say that the user's text did not fit."""
    if cut:
        print_warning(f"{what} is too long for this model: {cut} tokens of its {place} left out")


def picture_result(path: Path, picture: Picture, seconds: float) -> dict[str, Any]:
    """What a command that draws reports as JSON."""
    height, width = picture.pixels.shape[:2]
    drawing: Drawing = picture.drawing
    return {
        "output": str(path),
        "width": width,
        "height": height,
        "steps": drawing.steps,
        "guidance": drawing.guidance,
        "seed": drawing.seed,
        "prompt_tokens": picture.input_ids.shape[1],
        "cut_tokens": picture.cut,
        "seconds": round(seconds, 3),
    }


def picture_line(result: dict[str, Any]) -> str:
    """The same for a person."""
    return (
        f"wrote {result['output']}: {result['width']} x {result['height']}, {result['steps']} "
        f"steps, guidance {result['guidance']:g}, seed {result['seed']}, in "
        f"{result['seconds']:.1f} s"
    )


def answer_result(answer: Answer, seconds: float) -> dict[str, Any]:
    """What a command that answers reports as JSON."""
    return {
        "text": answer.text,
        "token_ids": list(answer.token_ids),
        "ended": answer.ended,
        "prompt_tokens": answer.input_ids.shape[1],
        "cut_tokens": answer.cut,
        "seconds": round(seconds, 3),
    }


@contextmanager
def streaming(
    quiet: bool, silent: bool, components: Iterable[str]
) -> Iterator[tuple[OnProgress, Callable[[str], None]]]:
    """Progress until the first text comes, which takes its place; the text on standard output.

    ``silent`` prints no text: the result follows as JSON.
    """
    started, flowing = False, FlowingText(sys.stdout)
    with ExitStack() as bars:
        show = bars.enter_context(progress_display(quiet or silent, components, transient=True))

        def on_progress(event: Progress) -> None:
            if not started:
                show(event)

        def on_text(text: str) -> None:
            nonlocal started
            if silent:
                return
            if not started:
                started = True
                bars.close()
            flowing.add(text)

        yield on_progress, on_text
    if not silent:
        flowing.end()
