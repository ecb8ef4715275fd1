"""What happened to a stored tensor: each answer is found by undoing it, not by guessing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.explain.results import Deviation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_BLOCKS = (2, 3, 4, 6)
# Folding a normalisation into a weight rounds differently in float32 and in float64.
_ROUNDING = 1e-6


def same(found: Array, expected: Array, tolerance: float = _ROUNDING) -> bool:
    """Whether two arrays of one shape are equal but for rounding (of the largest value)."""
    if np.array_equal(found, expected):
        return True
    if not np.isfinite(found).all():
        return False
    largest = float(np.abs(expected).max(initial=0.0))
    apart = np.abs(np.asarray(found, np.float64) - expected).max(initial=0.0)
    return bool(apart <= tolerance * largest and largest > 0) and not _one_bit(found, expected)


def difference(
    found: Array, expected: Array, others: Mapping[str, Array] | None = None
) -> Deviation | None:
    """What was done to ``expected`` to get ``found``; None when nothing was.

    Args:
        found: as stored, any float type.
        expected: as it should be; the same number of elements.
        others: tensors it may have been taken for, by name.
    """
    half = found.dtype == np.float16
    expected = np.asarray(expected, np.float32)
    found = found.reshape(expected.shape)
    if half:
        with np.errstate(over="ignore"):
            expected = expected.astype(np.float16).astype(np.float32)
    found = np.asarray(found, np.float32)
    if same(found, expected):
        return None
    for test in (_flipped, _not_finite, _zeroed, _rounded):
        if answer := test(found, expected):
            return answer
    for name, other in (others or {}).items():
        if other.size == found.size and same(found, other.reshape(found.shape)):
            return Deviation("another tensor", f"holds the values of {name}")
    for test in (_transposed, _permuted, _scaled):
        if answer := test(found, expected):
            return answer
    differ = found != expected
    apart = np.abs(found - expected) > _ROUNDING * float(np.abs(expected).max(initial=0.0))
    places = np.argwhere(apart if apart.any() else differ)
    return Deviation(
        "other values",
        f"{int(differ.sum()):,} of {found.size:,} values differ, within {_extent(places)}, "
        f"{_relative(found, expected):.1e} relative to the tensor",
    )


def _extent(places: Array) -> str:
    """The smallest box that holds all of ``places``: ``[3…8, 0…95]``."""
    ends = zip(places.min(0), places.max(0), strict=True)
    return f"[{', '.join(f'{low}…{high}' if low != high else f'{low}' for low, high in ends)}]"


def _one_bit(found: Array, expected: Array) -> bool:
    return int((found != expected).sum()) == 1 and found.size > 1


def _flipped(found: Array, expected: Array) -> Deviation | None:
    places = np.argwhere(~(found == expected))
    if len(places) != 1:
        return None
    place = tuple(int(i) for i in places[0])
    bits = int(found[place].view(np.uint32)) ^ int(expected[place].view(np.uint32))
    if bits.bit_count() != 1:
        return None
    bit = bits.bit_length() - 1
    part = "the sign" if bit == 31 else f"exponent bit {bit - 23}" if bit > 22 else "the mantissa"
    return Deviation(
        "bit flipped",
        f"bit {bit} ({part}) of element {_index(place)}: "
        f"{float(found[place]):.6g} instead of {float(expected[place]):.6g}",
    )


def _not_finite(found: Array, expected: Array) -> Deviation | None:
    bad = np.argwhere(~np.isfinite(found))
    if not len(bad):
        return None
    first = _index(tuple(int(i) for i in bad[0]))
    return Deviation("not finite", f"{len(bad):,} values are NaN or infinite, first {first}")


def _zeroed(found: Array, expected: Array) -> Deviation | None:
    return None if found.any() else Deviation("zeroed", f"all {found.size:,} values are 0")


def _rounded(found: Array, expected: Array) -> Deviation | None:
    with np.errstate(over="ignore"):
        if np.array_equal(found, expected.astype(np.float16).astype(np.float32)):
            return Deviation("rounded to float16", "every value is rounded to float16")
    bits = np.ascontiguousarray(found).view(np.uint32)
    near = np.abs(found - expected) <= np.abs(expected) * 2.0**-7
    if not (bits & 0xFFFF).any() and near.all():
        return Deviation("rounded to bfloat16", "every value is rounded to bfloat16")
    return None


def _transposed(found: Array, expected: Array) -> Deviation | None:
    for first in range(found.ndim):
        for second in range(first + 1, found.ndim):
            if found.shape[first] == found.shape[second] > 1 and same(
                found, expected.swapaxes(first, second)
            ):
                return Deviation("transposed", f"axes {first} and {second} are exchanged")
    if found.ndim == 2 and same(found.reshape(-1), expected.T.reshape(-1)):
        return Deviation("transposed", "stored column by column")
    return None


def _permuted(found: Array, expected: Array) -> Deviation | None:
    rows = found.shape[0] if found.ndim else 1
    for count in _BLOCKS:
        if rows % count or rows == count:
            continue
        blocks = expected.reshape(count, rows // count, *expected.shape[1:])
        parts = found.reshape(blocks.shape)
        order = _sources(parts, blocks)
        if order != sorted(order) and same(parts, blocks[order]):
            return Deviation(
                "blocks permuted",
                f"its {count} blocks of {rows // count} rows lie in the order "
                f"{', '.join(map(str, order))}",
            )
    return None


def _sources(parts: Array, blocks: Array) -> list[int]:
    """For each of ``parts`` the block that it is nearest to, each taken once."""
    left: list[int] = list(range(len(blocks)))
    order = []
    for part in parts:
        apart = [float(np.abs(part - blocks[source]).max()) for source in left]
        order.append(left.pop(int(np.argmin(apart))))
    return order


def _scaled(found: Array, expected: Array) -> Deviation | None:
    energy = float(np.square(expected, dtype=np.float64).sum())
    if not energy:
        return None
    ratio = float((expected.astype(np.float64) * found).sum()) / energy
    if abs(ratio) > 1e-12 and same(found, (expected * np.float64(ratio)), 1e-5):
        return Deviation("scaled", f"every value is multiplied by {ratio:.6g}")
    return None


def _relative(found: Array, expected: Array) -> float:
    norm = float(np.linalg.norm(expected.astype(np.float64)))
    apart = float(np.linalg.norm(found.astype(np.float64) - expected))
    return apart / norm if norm else float("inf")


def _index(place: Iterable[int]) -> str:
    return f"[{', '.join(map(str, place))}]"
