"""Tables of a few values that stand for many: optimal quantization of numbers on a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Lloyd's algorithm is done when a round betters the error by less than this share of it.
_ENOUGH = 1e-4
_MOST_ROUNDS = 60


def palettes(
    groups: NDArray[np.float32], bits: int, importance: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A table of ``2**bits`` values for each row of ``groups``, and the nearest entry's index.

    Tables ascend. Same input, same bytes: nothing is random.

    Args:
        groups: ``[groups, values]``, finite.
        bits: of an index, 1 to 8.
        importance: of each value, not negative; all alike for None.

    Returns:
        Tables ``[groups, 2**bits]`` and indices like ``groups``.
    """
    entries = 2**bits
    tables = np.empty((len(groups), entries), np.float32)
    indices = np.empty(groups.shape, np.uint8)
    for row, values in enumerate(groups):
        distinct, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        weight = (
            counts.astype(np.float64)
            if importance is None
            else np.bincount(inverse, importance[row].astype(np.float64), len(distinct))
        )
        table = _table(distinct.astype(np.float64), weight, entries)
        tables[row] = table
        indices[row] = _nearest(distinct, tables[row]).astype(np.uint8)[inverse]
    return tables, indices


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


def _nearest(values: NDArray[np.float32], table: NDArray[np.float32]) -> NDArray[np.intp]:
    middles = (table[1:].astype(np.float64) + table[:-1].astype(np.float64)) / 2
    return np.searchsorted(middles, values.astype(np.float64), side="left")
