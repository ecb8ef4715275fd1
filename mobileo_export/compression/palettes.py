"""Tables of a few values that stand for many: optimal quantization of numbers on a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.compression.exact import PIECE, Empty

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Lloyd's algorithm is done when a round betters the error by less than this share of it.
_ENOUGH = 1e-4
_MOST_ROUNDS = 60
_TOGETHER = 64  # groups whose tables are made at one time: few calls for many


def palettes(
    groups: NDArray[np.floating[Any]],
    bits: int,
    importance: NDArray[np.float32] | None = None,
    empty: Empty = np.empty,
) -> tuple[NDArray[np.floating[Any]], NDArray[np.uint8]]:
    """A table of ``2**bits`` values for each row of ``groups``, and the nearest entry's index.

    Tables ascend, and are of the values' type. Same input, same bytes: nothing is random.

    Args:
        groups: ``[groups, values]``, finite, float32 or float16.
        bits: of an index, 1 to 8.
        importance: of each value, not negative; all alike for None.
        empty: makes the array of indices.

    Returns:
        Tables ``[groups, 2**bits]`` and indices like ``groups``.
    """
    entries = 2**bits
    tables = np.empty((len(groups), entries), groups.dtype)
    indices = empty(groups.shape, np.uint8)
    for first in range(0, len(groups), _TOGETHER):
        rows = range(first, min(first + _TOGETHER, len(groups)))
        found = [
            _Distinct.of(groups[row], None if importance is None else importance[row])
            for row in rows
        ]
        tables[rows.start : rows.stop] = _tables(found, entries)
        for row, distinct in zip(rows, found, strict=True):
            indices[row] = distinct.nearest(groups[row], tables[row])
    return tables, indices


@dataclass(frozen=True)
class _Distinct:
    """The values of a group, each once, in order, and what each weighs.

    Of bfloat16 and float16 ``places`` has a number for each value of the group, below ``2**16``,
    and ``order`` that of each of ``values``; of others they are None.
    """

    values: NDArray[np.floating[Any]]
    weights: NDArray[np.float64]
    places: NDArray[np.uint16] | None = None
    order: NDArray[np.intp] | None = None

    @classmethod
    def of(
        cls, group: NDArray[np.floating[Any]], importance: NDArray[np.float32] | None
    ) -> _Distinct:
        words = _words(group)
        if words is not None:  # counted, not sorted
            return cls._counted(words, group.dtype, importance)
        if importance is None:
            values, counts = np.unique(group, return_counts=True)
            return cls(values, counts.astype(np.float64))
        values, numbers = np.unique(group, return_inverse=True)
        return cls(values, np.bincount(numbers, importance).astype(np.float64))

    @classmethod
    def _counted(
        cls,
        words: NDArray[np.uint16],
        dtype: np.dtype[Any],
        importance: NDArray[np.float32] | None,
    ) -> _Distinct:
        magnitudes = words & np.uint16(0x7FFF)
        low = int(magnitudes.min())
        span = int(magnitudes.max()) - low + 1  # few exponents are there: counted where they are
        places = words >> np.uint16(15)
        places *= np.uint16(span)
        places += magnitudes
        places -= np.uint16(low)
        counts = np.bincount(places, minlength=2 * span)
        weights = counts if importance is None else np.bincount(places, importance, 2 * span)
        positive, negative = np.flatnonzero(counts[:span]), np.flatnonzero(counts[span:])[::-1]
        found = np.concatenate((negative + (0x8000 | low), positive + low)).astype(np.uint16)
        order = np.concatenate((negative + span, positive))
        return cls(_floats(found, dtype), weights[order].astype(np.float64), places, order)

    def nearest(
        self, group: NDArray[np.floating[Any]], table: NDArray[np.floating[Any]]
    ) -> NDArray[np.uint8]:
        """The index of the entry that is nearest to each value of the group."""
        wide = table.astype(np.float64)
        middles = (wide[1:] + wide[:-1]) / 2
        if self.places is None or self.order is None:
            return np.searchsorted(middles, group).astype(np.uint8)
        edges = np.searchsorted(self.values, middles, side="right")
        counts = np.diff(edges, prepend=0, append=len(self.values))
        of_place = np.empty(int(self.order.max()) + 1, np.uint8)
        of_place[self.order] = np.repeat(np.arange(len(table), dtype=np.uint8), counts)
        return np.take(of_place, self.places)


def _words(group: NDArray[np.floating[Any]]) -> NDArray[np.uint16] | None:
    flat = np.ascontiguousarray(group)
    if flat.dtype == np.float16:
        return flat.view(np.uint16)
    bits = flat.view(np.uint32)
    for first in range(0, bits.size, PIECE):
        if np.bitwise_or.reduce(bits[first : first + PIECE]) & 0xFFFF:
            return None
    return (bits >> np.uint32(16)).astype(np.uint16)


def _floats(words: NDArray[np.uint16], dtype: np.dtype[Any]) -> NDArray[np.floating[Any]]:
    if dtype == np.float16:
        return words.view(np.float16)
    return (words.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _tables(groups: list[_Distinct], entries: int) -> NDArray[np.float64]:
    """Lloyd's algorithm for each of ``groups``; a cell is a run of its sorted values."""
    tables = np.stack([_begun(group, entries) for group in groups])
    active = [i for i, group in enumerate(groups) if len(group.values) > entries]
    if active:
        _improve(tables, active, [groups[i] for i in active])
    return np.sort(tables)


def _begun(group: _Distinct, entries: int) -> NDArray[np.float64]:
    values = group.values.astype(np.float64)
    if len(values) <= entries:  # exact; the rest repeats the largest
        return np.append(values, np.full(entries - len(values), values[-1]))
    # Panter and Dite: the best density of entries goes with the cube root of the values'.
    spacing = np.gradient(values)
    density = np.cumsum(np.cbrt(group.weights * spacing * spacing))
    places = (np.arange(entries) + 0.5) / entries * density[-1]
    found: NDArray[np.float64] = np.interp(places, density, values)
    return found


def _improve(tables: NDArray[np.float64], rows: list[int], groups: list[_Distinct]) -> None:
    """Move the entries of the tables at ``rows`` to the centers of what is nearest to them."""
    values = np.concatenate([group.values.astype(np.float64) for group in groups])
    # A little for what does not matter, so that no cell is without a center.
    weights = np.concatenate(
        [group.weights + max(float(group.weights.sum()), 1e-30) * 1e-12 for group in groups]
    )
    ends = np.cumsum([len(group.values) for group in groups])
    starts = np.concatenate(([0], ends[:-1]))
    mass = np.concatenate(([0.0], np.cumsum(weights)))
    first = np.concatenate(([0.0], np.cumsum(weights * values)))
    second = np.add.reduceat(weights * values * values, starts)
    # One sorted array for all groups: a place in it is found for all entries in one call.
    base = np.arange(len(groups), dtype=np.int64) << 33
    keys = _keys(values) + np.repeat(base, ends - starts)

    left, before = np.array(rows), np.full(len(rows), np.inf)
    for _ in range(_MOST_ROUNDS):
        table = tables[left]
        middles = _keys((table[:, 1:] + table[:, :-1]) / 2) + base[:, None]
        edges = np.searchsorted(keys, middles.reshape(-1), side="right").reshape(middles.shape)
        edges = np.concatenate((starts[:, None], edges, ends[:, None]), axis=1)
        masses, sums = np.diff(mass[edges], axis=1), np.diff(first[edges], axis=1)
        filled = masses > 0
        centers = np.divide(sums, masses, out=table, where=filled)
        tables[left] = centers
        error = second - np.where(filled, centers * sums, 0).sum(1)
        going = before - error > _ENOUGH * np.abs(error)
        left, before = left[going], error[going]
        base, starts, ends, second = base[going], starts[going], ends[going], second[going]
        if not left.size:
            return


def _keys(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers in the order of ``values`` as float32."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
