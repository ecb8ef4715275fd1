"""Pictures on the command line: which one is meant, and where one is written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export.cli import pipeline
from mobileo_export.cli.output import print_json, say
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mobileo_export.pipelines.drawing import Picture

STANDARD_OUTPUT = "-"
Photo = Annotated[
    str | None,
    typer.Argument(
        metavar="[PICTURE]", help="The picture, a JPEG, PNG, WebP or other; or --image."
    ),
]
Image = Annotated[Path | None, typer.Option(help="The picture, in place of the second argument.")]


def meant(
    image: Path | None, words: Sequence[str | None], what: str, most: int | None = None
) -> tuple[Path, list[str]]:
    """The picture and the texts of a command that takes the picture first, or ``--image``.

    Args:
        image: the option.
        words: the arguments that were given behind the source; None for each that was not.
        what: the texts are, for an error.
        most: how many texts there may be.

    Raises:
        UsageError: there is no picture, no text, or a second picture.
    """
    given = [word for word in words if word is not None]
    if image is not None:
        more = most is not None and len(given) > most
        if more or (len(given) > 1 and Path(given[0]).is_file()):
            raise UsageError(f"{given[0]}: the picture is that of --image {image}; name one")
    elif given:
        image = Path(given.pop(0))
    if image is None:
        raise UsageError("name a picture, behind the source or with --image")
    if not given:
        raise UsageError(f"name {what}, behind the picture")
    return image, given


def write(output: Path, picture: Picture, text: str, seconds: float, *, as_json: bool) -> None:
    """Write what was drawn of ``text`` to a file or to standard output, and say so."""
    from mobileo_export.pipelines import images

    texts = picture.drawing.texts(text)
    result: dict[str, Any] = pipeline.picture_result(output, picture, seconds)
    if str(output) == STANDARD_OUTPUT:
        sys.stdout.buffer.write(images.encoded(picture.pixels, texts, ".png"))
        sys.stdout.flush()
        return
    images.write(output, picture.pixels, texts)
    if as_json:
        print_json(result)
    else:
        say(pipeline.picture_line(result))
