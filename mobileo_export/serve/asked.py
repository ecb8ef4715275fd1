"""What the page asks of a pipeline, read from JSON; nothing in it is ignored."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import UsageError
from mobileo_export.pipelines import images
from mobileo_export.pipelines.answer import Sampling
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.tokens import check_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.recipe import Recipe

DRAWN = ("seed", "steps", "guidance")
ANSWERED = ("seed", "temperature", "top_p", "max_new_tokens")
# Fields of each pipeline: those it needs, and those it may have.
FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "generate": (("prompt",), DRAWN),
    "edit": (("picture", "instruction"), DRAWN),
    "ask": (("picture", "question"), ANSWERED),
    "chat": (("turns",), ANSWERED),
}


def check_fields(pipeline: str, given: Mapping[str, Any]) -> None:
    """Raise UsageError for a field that is missing or unknown."""
    needed, optional = FIELDS[pipeline]
    takes = ", ".join((*needed, *(f"{name} (optional)" for name in optional)))
    for name in given:
        if name not in needed and name not in optional:
            raise UsageError(f"{name[:80]!r}: unknown field; {pipeline} takes {takes}")
    for name in needed:
        if name not in given:
            raise UsageError(f"{name}: field is missing; {pipeline} takes {takes}")


def text(given: Mapping[str, Any], name: str) -> str:
    """A text of characters that there are.

    Raises:
        UsageError: it is none.
    """
    value = given[name]
    if not isinstance(value, str):
        raise UsageError(f"{name}: is no text")
    check_text(value)
    return value


def turns(given: Mapping[str, Any]) -> list[str]:
    """A conversation: user, model, …, user.

    Raises:
        UsageError: it is none.
    """
    found = given["turns"]
    if not isinstance(found, list) or not all(isinstance(turn, str) for turn in found):
        raise UsageError("turns: is no list of texts")
    if len(found) % 2 == 0:
        raise UsageError(
            f"turns: {len(found)} texts; the user and the model take turns, the last is the user's"
        )
    for turn in found:
        check_text(turn)
    return found


def picture(given: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The pixels [H, W, 3] of a picture file in base64.

    Raises:
        UsageError: it is none, or a picture that cannot be read.
    """
    value = given["picture"]
    if not isinstance(value, str):
        raise UsageError("picture: is no text; send the file in base64")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("picture: is not base64; send the file in base64") from None
    return images.decode(data)


def drawing(recipe: Recipe, given: Mapping[str, Any]) -> Drawing:
    """How to draw, the recipe's numbers where none are given.

    Raises:
        UsageError: one of them is none, or out of range.
    """
    return Drawing.of(recipe, _whole(given, "steps"), _number(given, "guidance"), _seed(given))


def sampling(recipe: Recipe, given: Mapping[str, Any]) -> Sampling:
    """How to answer, the recipe's numbers where none are given.

    Raises:
        UsageError: one of them is none, or out of range.
    """
    return Sampling.of(
        recipe,
        _number(given, "temperature"),
        _number(given, "top_p"),
        _whole(given, "max_new_tokens"),
        _seed(given),
    )


def _whole(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name}: is no whole number")
    return value


def _number(given: Mapping[str, Any], name: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name}: is no number")
    try:
        return float(value)
    except OverflowError:
        raise UsageError(f"{name}: is too large") from None


def _seed(given: Mapping[str, Any]) -> int:
    """A number, or its digits: JavaScript has no numbers of 64 bits."""
    value = given.get("seed")
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        return int(value)
    return _whole(given, "seed") or 0
