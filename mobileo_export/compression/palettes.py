"""Tables of a few values that stand for many: optimal quantization of numbers on a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.compression.exact import PIECE

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Lloyd's algorithm is done when a round betters the error by less than this share of it.
_ENOUGH = 1e-4
_MOST_ROUNDS = 60
_MINUS_ZERO = 0x8000


def palettes(
    groups: NDArray[np.floating[Any]],
    bits: int,
    importance: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.floating[Any]], NDArray[np.uint8]]:
    """A table of ``2**bits`` values for each row of ``groups``, and the nearest entry's index.

    Tables ascend, and are of the values' type. Same input, same bytes: nothing is random.

    Args:
        groups: ``[groups, values]``, finite, float32 or float16.
        bits: of an index, 1 to 8.
        importance: of each value, not negative; all alike for None.

    Returns:
        Tables ``[groups, 2**bits]`` and indices like ``groups``.
    """
    entries = 2**bits
    tables = np.empty((len(groups), entries), groups.dtype)
    indices = np.empty(groups.shape, np.uint8)
    for row, values in enumerate(groups):
        weights = None if importance is None else importance[row].astype(np.float64)
        words = _words(values)
        if words is None:
            distinct, places, weight = _sorted(values, weights)
        else:
            distinct, places, weight = _counted(values, words, weights)
        tables[row] = _table(distinct.astype(np.float64), weight, entries)
        indices[row] = np.take(_nearest(distinct, tables[row]), places)
    return tables, indices


def _words(values: NDArray[np.floating[Any]]) -> NDArray[np.uint16] | None:
    """The 16 bits that tell each value from the others, of bfloat16 and float16; else None."""
    if values.dtype == np.float16:
        return np.ascontiguousarray(values).view(np.uint16)
    words = np.ascontiguousarray(values).view(np.uint32)
    for first in range(0, words.size, PIECE):
        if np.bitwise_or.reduce(words[first : first + PIECE]) & 0xFFFF:
            return None
    return (words >> np.uint32(16)).astype(np.uint16)


def _counted(
    values: NDArray[np.floating[Any]], words: NDArray[np.uint16], weights: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """As :func:`_sorted`, of few words: without sorting."""
    words = np.where(words == _MINUS_ZERO, np.uint16(0), words)
    counts = np.bincount(words, minlength=1 << 16)
    found = np.flatnonzero(counts).astype(np.uint16)
    of_words = found.view(np.float16) if values.dtype == np.float16 else _bfloat16(found)
    order = np.argsort(of_words, kind="stable")
    rank = np.empty(1 << 16, np.uint16)
    rank[found[order]] = np.arange(len(found), dtype=np.uint16)
    weight: NDArray[Any] = counts
    if weights is not None:
        weight = np.bincount(words, weights, minlength=1 << 16)
    return of_words[order], rank[words], weight[found[order]].astype(np.float64)


def _sorted(
    values: NDArray[np.floating[Any]], weights: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Distinct values in order, the place of each among them, and what each weighs."""
    distinct, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    weight: NDArray[Any] = counts
    if weights is not None:
        weight = np.bincount(places, weights, len(distinct))
    return distinct, places, weight.astype(np.float64)


def _bfloat16(words: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (words.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _table(values: NDArray[np.float64], weight: NDArray[Any], entries: int) -> NDArray[np.float64]:
    """Lloyd's algorithm on sorted distinct ``values``; each cell is a run of them."""
    if len(values) <= entries:  # exact; the rest repeats the largest
        return np.append(values, np.full(entries - len(values), values[-1]))
    # A little for what does not matter, so that no cell is without a center.
    weight = weight + max(float(weight.sum()), 1e-30) * 1e-12
    mass = np.concatenate(([0.0], np.cumsum(weight)))
    first = np.concatenate(([0.0], np.cumsum(weight * values)))
    second = float((weight * values * values).sum())
    # Panter and Dite: the best density of entries goes with the cube root of the values'.
    spacing = np.gradient(values)
    density = np.cumsum(np.cbrt(weight / spacing) * spacing)
    places = (np.arange(entries) + 0.5) / entries * density[-1]
    table = np.interp(places, density, values)
    before = np.inf
    for _ in range(_MOST_ROUNDS):
        edges = np.searchsorted(values, (table[1:] + table[:-1]) / 2, side="right")
        edges = np.concatenate(([0], edges, [len(values)]))
        masses, sums = np.diff(mass[edges]), np.diff(first[edges])
        filled = masses > 0
        table[filled] = sums[filled] / masses[filled]
        error = second - float((sums[filled] ** 2 / masses[filled]).sum())
        if before - error <= _ENOUGH * abs(error):
            break
        before = error
    return np.sort(table)


def _nearest(
    values: NDArray[np.floating[Any]], table: NDArray[np.floating[Any]]
) -> NDArray[np.uint8]:
    """The index of the entry that is nearest to each of ``values``, which ascend."""
    wide = table.astype(np.float64)
    edges = np.searchsorted(values, (wide[1:] + wide[:-1]) / 2, side="right")
    counts = np.diff(edges, prepend=0, append=len(values))
    return np.repeat(np.arange(len(table), dtype=np.uint8), counts)
