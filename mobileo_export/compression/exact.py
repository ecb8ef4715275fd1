"""Float32 values in half the bytes: float16 and one power of two a tensor, where that is exact.

A checkpoint of bfloat16 has eight significant bits a value, a float16 eleven: what is lacking is
range. Multiplied by a power of two that puts its largest value just below 65,504, a tensor keeps
every bfloat16 from there down to 2⁻³² of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Below this a scale and the operation that applies it cost more than they save; coremltools' own
# compression leaves the same tensors alone.
LEAST_ELEMENTS = 2048

# Elements that are looked at at a time: what is read and what is made stay in a core's own cache.
PIECE = 1 << 16

_TOP = 15  # the exponent of the largest float16
# A scale has to be a normal float32, or a processor that flushes the others makes it zero.
_LARGEST_SHIFT = 126
_INFINITY = 0x7F800000
_LARGEST = 65504.0
_NORMAL, _SMALLEST = 2.0**-14, 2.0**-24  # of float16
_LOST = 0x1FFF  # bits of a float32 that no float16 has


# Makes the array that a stored form is written to.
Empty = Callable[[Any, Any], "NDArray[Any]"]


class Halved(NamedTuple):
    """``data`` times ``scale``, a power of two, are the values to the bit."""

    data: NDArray[np.float16]
    scale: np.float32


def halved(values: NDArray[Any], empty: Empty = np.empty) -> Halved | None:
    """``values``, float32 of any shape, in float16; None where one of them would change.

    As they are if that is exact, else with the power of two that keeps the widest range.
    """
    words = np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32)
    smallest, largest = _INFINITY, 0
    for piece in _pieces(words):
        if np.bitwise_or.reduce(piece) & _LOST:  # most that do not fit show it at once
            return None
        magnitudes = piece & np.uint32(0x7FFFFFFF)
        largest = max(largest, int(magnitudes.max()))
        magnitudes -= np.uint32(1)  # zeros become the largest of all
        smallest = min(smallest, int(magnitudes.min()) + 1)
    if largest >= _INFINITY:
        return None
    low, high = (float(np.uint32(word).view(np.float32)) for word in (smallest, largest))
    for shift in dict.fromkeys((0, _shift(high))):
        # What is below the smallest float16 is none, whatever its bits.
        fits = high * 2.0**shift <= _LARGEST and (low * 2.0**shift >= _SMALLEST or not largest)
        data = _exactly(words, shift, empty) if fits else None
        if data is not None:
            return Halved(data.reshape(values.shape), np.float32(2.0**-shift))
    return None


def nearest(values: NDArray[Any], empty: Empty = np.empty) -> Halved:
    """``values``, finite float32 of any shape, rounded to float16 with the best power of two."""
    shift = _shift(float(max(values.max(initial=0.0), -values.min(initial=0.0))))
    data = empty(values.size, np.float16)
    for piece, made in zip(_pieces(values.reshape(-1)), _pieces(data), strict=True):
        made[...] = piece * np.float32(2.0**shift)
    return Halved(data.reshape(values.shape), np.float32(2.0**-shift))


def _exactly(words: NDArray[np.uint32], shift: int, empty: Empty) -> NDArray[np.float16] | None:
    """The floats of these bits times ``2**shift`` in float16; None if one of them is none."""
    data = empty(words.size, np.float16)
    # Of a float16 that is normal, the bits are a float32's: fewer, and another bias.
    bias = np.uint32((_TOP - 127 + shift) % (1 << 22) << 10)
    normal = max(int(np.float32(_NORMAL * 2.0**-shift).view(np.uint32)), 1 << 23)
    for piece, made in zip(_pieces(words), _pieces(data), strict=True):
        magnitudes = piece & np.uint32(0x7FFFFFFF)
        if magnitudes.min() >= normal:
            magnitudes >>= np.uint32(13)
            magnitudes += bias
            magnitudes |= (piece >> np.uint32(16)) & np.uint32(0x8000)
            made.view(np.uint16)[...] = magnitudes
            continue
        floats = piece.view(np.float32)
        made[...] = floats * np.float32(2.0**shift)
        back = made.astype(np.float32)
        back *= np.float32(2.0**-shift)
        if not np.array_equal(back, floats):
            return None
    return data


def _pieces(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for first in range(0, flat.size, PIECE):
        yield flat[first : first + PIECE]


def _shift(largest: float) -> int:
    if largest == 0 or not math.isfinite(largest):
        return 0
    best = _TOP - (math.frexp(largest)[1] - 1)
    return max(-_LARGEST_SHIFT, min(best, _LARGEST_SHIFT))
