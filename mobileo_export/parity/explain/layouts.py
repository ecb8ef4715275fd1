"""Bring an artifact's value into the reference's layout, and measure how far off it is.

A conversion moves transpositions around and drops axes of size one, so that a module's output may
lie in another order of axes. The order is chosen on a sample of the values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLE = 4096
_CHUNK = 1 << 20
_MOST_AXES = 5


def relative_error(found: NDArray[Any], reference: NDArray[Any]) -> float:
    """‖found − reference‖ / ‖reference‖ in float64, piece by piece; infinite unless all finite."""
    noise = energy = 0.0
    a, b = found.reshape(-1), reference.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, a.size, _CHUNK):
            value = a[start : start + _CHUNK].astype(np.float64)
            truth = b[start : start + _CHUNK].astype(np.float64)
            noise += float(np.square(value - truth).sum())
            energy += float(np.square(truth).sum())
    if not math.isfinite(noise):
        return math.inf
    if energy == 0:
        return 0.0 if noise == 0 else math.inf
    return math.sqrt(noise / energy)


def fit(found: NDArray[Any], reference: NDArray[Any]) -> NDArray[Any] | None:
    """``found`` in the shape of ``reference``; None when the element counts differ.

    Equal shapes (but for axes of size one) are taken as they are, unless another order of axes
    fits the values far better.
    """
    if found.size != reference.size:
        return None
    squeezed = found.squeeze()
    candidates = list(_orders(squeezed, reference))
    if len(candidates) == 1 or reference.size == 0:
        return squeezed.transpose(candidates[0]).reshape(reference.shape)
    places = np.unique(np.linspace(0, reference.size - 1, _SAMPLE).astype(np.int64))
    truth = reference[np.unravel_index(places, reference.shape)]
    errors = [relative_error(_at(squeezed.transpose(o), places), truth) for o in candidates]
    first, best = errors[0], int(np.argmin(errors))
    order = candidates[best] if errors[best] < 0.1 * first else candidates[0]
    return squeezed.transpose(order).reshape(reference.shape)


def _at(values: NDArray[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    chosen: NDArray[Any] = values[np.unravel_index(places, values.shape)] if values.ndim else values
    return chosen.reshape(-1)


def _orders(found: NDArray[Any], reference: NDArray[Any]) -> Iterator[tuple[int, ...]]:
    """Orders of axes, likeliest first: as it is, then those that give the reference's shape."""
    plain = tuple(range(found.ndim))
    shape = tuple(size for size in reference.shape if size != 1)
    orders = [plain] if found.ndim > _MOST_AXES else list(permutations(plain))
    same = [o for o in orders if tuple(found.shape[axis] for axis in o) == shape]
    chosen = [*same, *(o for o in orders if o not in same)]
    yield from chosen or [plain]
