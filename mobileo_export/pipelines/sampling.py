"""Which token comes next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check(temperature: float, top_p: float) -> None:
    """Raise UsageError for a temperature or a share that means nothing."""
    if not 0 <= temperature <= 10:
        raise UsageError(f"temperature {temperature:g}: choose 0 (the most probable token) to 10")
    if not 0 < top_p <= 1:
        raise UsageError(f"top-p {top_p:g}: choose more than 0, at most 1")


def choose(
    logits: NDArray[Any], temperature: float, top_p: float, uniform: Callable[[], float]
) -> int:
    """A token id, drawn from softmax(logits / temperature) [V], in float64.

    Of the ids in order of falling probability (ties by id) the first that together reach ``top_p``
    take part; the one is chosen at which their running sum passes the next number of ``uniform``.
    Temperature 0 takes the most probable id, the first of equals, and draws no number.

    Raises:
        UsageError: a logit is not finite, which no sound artifact computes.
    """
    scores = logits.astype(np.float64).reshape(-1)
    if not np.isfinite(scores).all():
        raise UsageError(
            "the language model's logits are not finite; verify the bundle with its checkpoint"
        )
    if temperature == 0:
        return int(scores.argmax())
    scaled = (scores - scores.max()) / temperature
    weights = np.exp(scaled)
    order = np.argsort(-weights, kind="stable")
    running = np.cumsum(weights[order] / weights.sum())
    count = int(np.searchsorted(running, min(top_p, running[-1]))) + 1
    place = int(np.searchsorted(running[:count], uniform() * running[count - 1], side="right"))
    return int(order[min(place, count - 1)])
