"""Where image features go in a prompt: the one rule that every language-model runtime follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def span(input_ids: NDArray[Any], image_token_id: int, num_tokens: int) -> tuple[int, int]:
    """The positions [start, stop) of ``input_ids`` [T] that the M image features replace.

    Either one image token stands for all M features (the sequence grows to T - 1 + M), or M
    consecutive image tokens stand for one feature each (the length stays T).

    Raises:
        UsageError: the prompt holds no image token, a wrong number, or scattered ones.
    """
    import numpy as np

    positions = np.flatnonzero(np.asarray(input_ids).reshape(-1) == image_token_id)
    count = len(positions)
    if count not in {1, num_tokens}:
        raise UsageError(
            f"input_ids: holds {count} image tokens (id {image_token_id}), but image_features "
            f"needs exactly one, or {num_tokens} in a row"
        )
    start, stop = int(positions[0]), int(positions[-1]) + 1
    if stop - start != count:
        raise UsageError(
            f"input_ids: the {count} image tokens (id {image_token_id}) are not consecutive; "
            "put them in a row, or give exactly one"
        )
    return start, stop
