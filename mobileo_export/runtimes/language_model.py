"""What the sessions of language models check alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import recipe
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mobileo_export.components import TensorSpec


def check_ids(input_ids: NDArray[Any], vocab_size: int) -> None:
    """Raise UsageError unless every id has a row in the embedding table."""
    low, high = int(input_ids.min()), int(input_ids.max())
    if low < 0 or high >= vocab_size:
        raise UsageError(
            f"input_ids: holds {low if low < 0 else high}, the vocabulary has ids 0 to "
            f"{vocab_size - 1}"
        )


def check_room(inputs: Sequence[TensorSpec], used: int, more: int = 1) -> None:
    """Raise UsageError unless ``more`` positions are left after the ``used`` ones."""
    length = inputs[0].shape[1]
    last = length if isinstance(length, int) else length.high
    if used + more > last:
        raise UsageError(
            f"input_ids: {used + more} positions, the language model has {last}; "
            "shorten the prompt or stop earlier"
        )


def token(token_id: int) -> NDArray[np.int32]:
    """One id as ``input_ids`` [1, 1].

    Raises:
        UsageError: it is no id at all.
    """
    if isinstance(token_id, bool) or not isinstance(token_id, (int, np.integer)):
        raise UsageError(f"step: the token is {token_id!r}, expected an id")
    if not 0 <= token_id < 1 << 31:
        raise UsageError(f"input_ids: holds {token_id}, which is no id")
    return np.array([[token_id]], np.int32)


def image_span(
    input_ids: NDArray[Any], image_features: NDArray[Any] | None, image_token_id: int
) -> tuple[int, int]:
    """Where the features go in ``input_ids`` [1, T]; (0, 0) without features.

    Raises:
        UsageError: the image tokens do not fit the features.
    """
    if image_features is None:
        return 0, 0
    return recipe.image_span(input_ids[0], image_token_id, image_features.shape[1])
