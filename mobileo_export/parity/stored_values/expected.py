"""What one constant of a package should hold, and how that is made of the reference's tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Read = Callable[[str], "NDArray[Any]"]  # a tensor of the reference by its name in the state
# A fold takes a few roundings in float32, of 6e-8 each.
FOLDING = 1e-6


@dataclass(frozen=True)
class Expected:
    """What a constant should hold.

    Attributes:
        role: of the constant in its module: weight, bias, …
        names: the tensors it is made of, by their names in the reference.
        values: float32, of a softmax float64.
        slack: how far each value may be off before it is rounded to the stored type; None when
            nothing is computed and every bit is known.
        stale: the values with the statistics of an untrained normalisation.
    """

    role: str
    names: tuple[str, ...]
    values: NDArray[Any]
    slack: NDArray[Any] | None = None
    stale: NDArray[Any] | None = None

    def allows(self, found: NDArray[Any]) -> bool:
        """Whether ``found`` is what these values become in its type; shapes may differ."""
        found, values = found.reshape(-1), self.values.reshape(-1)
        with np.errstate(over="ignore"):
            if self.slack is None:
                return bool(np.array_equal(found, values.astype(found.dtype)))
            slack = self.slack.reshape(-1)
            low, high = ((values + s).astype(found.dtype) for s in (-slack, slack))
        return bool(((low <= found) & (found <= high)).all())


@dataclass(frozen=True)
class ConstantRecipe:
    """How a constant is made; attributes as of :class:`Expected`."""

    role: str
    names: tuple[str, ...]
    size: int
    make: Callable[[Read], Expected]
