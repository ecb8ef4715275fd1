"""Float32 values in half the bytes: float16 and one power of two a tensor, where that is exact.

A checkpoint of bfloat16 has eight significant bits a value, a float16 eleven: what is lacking is
range. Multiplied by a power of two that puts its largest value just below 65,504, a tensor keeps
every bfloat16 from there down to 2⁻³² of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Below this a scale and the operation that applies it cost more than they save; coremltools' own
# compression leaves the same tensors alone.
LEAST_ELEMENTS = 2048

_PROBED = 1 << 14
_TOP = 15  # the exponent of the largest float16
# A scale has to be a normal float32, or a processor that flushes the others makes it zero.
_LARGEST_SHIFT = 126


class Halved(NamedTuple):
    """``data`` times ``scale``, a power of two, are the values to the bit."""

    data: NDArray[np.float16]
    scale: np.float32


def halved(values: NDArray[Any]) -> Halved | None:
    """``values``, float32 of any shape, in float16; None where one of them would change.

    As they are if that is exact, else with the power of two that keeps the widest range.
    """
    for shift in (0, _shift(values)):
        # Most that do not fit show it at once.
        for part in (values.reshape(-1)[:_PROBED], values):
            found = _halved(part, shift)
            if not np.array_equal(found.data * found.scale, part):
                break
        else:
            return found
    return None


def nearest(values: NDArray[Any]) -> Halved:
    """``values``, finite float32 of any shape, rounded to float16 with the best power of two."""
    return _halved(values, _shift(values))


def _shift(values: NDArray[Any]) -> int:
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return 0
    best = _TOP - (math.frexp(largest)[1] - 1)
    return max(-_LARGEST_SHIFT, min(best, _LARGEST_SHIFT))


def _halved(values: NDArray[Any], shift: int) -> Halved:
    with np.errstate(over="ignore"):
        data = (values * np.float32(2.0**shift)).astype(np.float16)
    return Halved(data, np.float32(2.0**-shift))
