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
_MAGNITUDE = np.uint32(0x7FFFFFFF)
_INFINITY = 0x7F800000
_LARGEST = 65504.0
_INFINITE = 65520.0  # from here on the nearest float16 is infinite
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

    As they are if that is exact, else with the power of two that keeps the widest range. Nothing is
    written before all is known to fit, and then from the first value on: ``empty`` may give the
    place where ``values`` lie.
    """
    words = np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32)
    found = _magnitudes(words)
    if found is None:
        return None
    leasts, smallest, largest = found
    low, high = (float(np.uint32(word).view(np.float32)) for word in (smallest, largest))
    for shift in dict.fromkeys((0, _shift(high))):
        # What is below the smallest float16 is none, whatever its bits.
        if high * 2.0**shift > _LARGEST or (largest and low * 2.0**shift < _SMALLEST):
            continue
        normal = max(int(np.float32(_NORMAL * 2.0**-shift).view(np.uint32)), 1 << 23)
        pairs = zip(leasts, _pieces(words), strict=True)
        if not all(least >= normal or _small(piece, normal, shift) for least, piece in pairs):
            continue
        data = empty(words.size, np.float16)
        for least, piece, made in zip(leasts, _pieces(words), _pieces(data), strict=True):
            small = _small(piece, normal, shift) if least < normal else None
            made.view(np.uint16)[...] = _rebiased(piece, shift)
            if small:
                made[small.places] = small.data
        return Halved(data.reshape(values.shape), np.float32(2.0**-shift))
    return None


def nearest(values: NDArray[Any], empty: Empty = np.empty) -> Halved:
    """``values``, finite float32 of any shape, rounded to float16 with the best power of two."""
    largest = float(max(values.max(initial=0.0), -values.min(initial=0.0)))
    shift = _shift(largest)
    if largest * 2.0**shift >= _INFINITE:
        shift -= 1
    data = empty(values.size, np.float16)
    for piece, made in zip(_pieces(values.reshape(-1)), _pieces(data), strict=True):
        made[...] = piece * np.float32(2.0**shift)
    return Halved(data.reshape(values.shape), np.float32(2.0**-shift))


def _magnitudes(words: NDArray[np.uint32]) -> tuple[list[int], int, int] | None:
    """Bits of the least of each piece, of the smallest of all but zero, and of the largest.

    None if a float is none, or has bits that no float16 has.
    """
    leasts, smallest, largest = [], _INFINITY, 0
    for piece in _pieces(words):
        if np.bitwise_or.reduce(piece) & _LOST:  # most that do not fit show it at once
            return None
        magnitudes = piece & _MAGNITUDE
        least = int(magnitudes.min())
        leasts.append(least)
        if not least:
            least = int(magnitudes.min(where=magnitudes > 0, initial=_INFINITY))
        smallest, largest = min(smallest, least), max(largest, int(magnitudes.max()))
    return (leasts, smallest, largest) if largest < _INFINITY else None


def _rebiased(words: NDArray[np.uint32], shift: int) -> NDArray[np.uint32]:
    """Floats times ``2**shift`` that are normal float16: fewer bits, and another bias."""
    made = words & _MAGNITUDE
    made >>= np.uint32(13)
    made += np.uint32((_TOP - 127 + shift) % (1 << 22) << 10)
    made |= (words >> np.uint32(16)) & np.uint32(0x8000)
    return made


class _Small(NamedTuple):
    """What is below the normal float16: where, and what it is."""

    places: NDArray[np.bool_]
    data: NDArray[np.float16]


def _small(words: NDArray[np.uint32], normal: int, shift: int) -> _Small | None:
    """What is below ``normal``, times ``2**shift``; None if one of it is not exact."""
    places = words & _MAGNITUDE < normal
    floats = words[places].view(np.float32)
    made = (floats * np.float32(2.0**shift)).astype(np.float16)
    back = made.astype(np.float32) * np.float32(2.0**-shift)
    return _Small(places, made) if np.array_equal(back, floats) else None


def _pieces(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for first in range(0, flat.size, PIECE):
        yield flat[first : first + PIECE]


def _shift(largest: float) -> int:
    if largest == 0 or not math.isfinite(largest):
        return 0
    best = _TOP - (math.frexp(largest)[1] - 1)
    return max(-_LARGEST_SHIFT, min(best, _LARGEST_SHIFT))
