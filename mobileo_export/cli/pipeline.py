"""How the commands that use a model show what happens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.cli.flowing_text import FlowingText
from mobileo_export.cli.output import print_warning, progress_display
from mobileo_export.progress import OnProgress, Progress

if TYPE_CHECKING:
    from mobileo_export.pipelines.answer import Answer
    from mobileo_export.pipelines.drawing import Drawing, Picture


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
