"""Rounding that makes up for its own errors: GPTQ (Frantar et al. 2023, arXiv 2210.17323).

Weights are rounded one input at a time, and what that does to a layer's outputs on real inputs is
taken back by the inputs that are still to come. Tables and scales are fixed before, so that any
order of inputs will do; the strongest go first. coremltools' ``LayerwiseCompressor`` does the same
for sequential models only and knows no tables but those of normal floats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.compression.schemes import Scheme, Stored, compress, spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Codes = NDArray[Any]
    # Codes and values of the weights of one input, which is the second argument.
    Nearest = Callable[[Float, int], tuple[Codes, Float]]

MOST_BITS = 4  # above, rounding to nearest is as good
_DAMPING = 0.01  # of the mean of the Hessian's diagonal
_AT_A_TIME = 128  # inputs whose errors are handed on together


def serves(scheme: Scheme) -> bool:
    """Whether what ``scheme`` stores is better rounded so."""
    return scheme.form in ("int", "palette") and scheme.bits <= MOST_BITS and not scheme.zero_point


def rounded(values: Float, scheme: Scheme, hessian: NDArray[np.float64]) -> Stored:
    """``values`` ``[out, in, ...]`` as ``scheme`` stores them, rounded for inputs of ``hessian``.

    Args:
        values: finite; their second and further axes are those of ``hessian``.
        scheme: one that :func:`serves`.
        hessian: the sum of x·xᵀ over the inputs of the layer, ``[in · …, in · …]``.
    """
    energy = np.diag(hessian)
    weight = np.broadcast_to(energy.reshape(1, *values.shape[1:]), values.shape)
    stored = compress(values, scheme, np.ascontiguousarray(weight, np.float32))
    grid = _table(stored) if stored.table is not None else _integers(stored)
    codes = _handed_on(values.reshape(len(values), -1), hessian, grid)
    return Stored(scheme, codes.reshape(values.shape), stored.scale, None, stored.table)


def _table(stored: Stored) -> Nearest:
    assert stored.table is not None
    tables = stored.table.reshape(len(stored.table), -1)
    middles = (tables[:, 1:] + tables[:, :-1]) / 2

    def nearest(column: Float, place: int) -> tuple[Codes, Float]:
        rows = column.reshape(len(tables), -1)
        codes = (rows[:, :, None] > middles[:, None, :]).sum(2)
        return codes.ravel().astype(np.uint8), np.take_along_axis(tables, codes, 1).ravel()

    return nearest


def _integers(stored: Stored) -> Nearest:
    assert stored.scale is not None
    shape = stored.data.shape
    scales = np.broadcast_to(spread(stored.scale, shape), shape).reshape(len(stored.data), -1)
    top = 2 ** (stored.scheme.bits - 1) - 1

    def nearest(column: Float, place: int) -> tuple[Codes, Float]:
        codes = np.clip(np.rint(column / scales[:, place]), -top, top)
        return codes.astype(np.int8), codes * scales[:, place]

    return nearest


def _handed_on(
    values: Float,
    hessian: NDArray[np.float64],
    nearest: Nearest,
) -> Codes:
    """The codes ``[out, in]`` of ``values`` by ``nearest``, errors handed on."""
    order = np.argsort(-np.diag(hessian), kind="stable")
    upper = _inverse_root(hessian[np.ix_(order, order)])
    left = np.ascontiguousarray(values[:, order], np.float32)
    found: list[Codes] = []
    for first in range(0, len(order), _AT_A_TIME):
        stop = min(first + _AT_A_TIME, len(order))
        wrong = np.empty((len(values), stop - first), np.float32)
        for place in range(first, stop):
            codes, made = nearest(left[:, place], int(order[place]))
            found.append(codes)
            error = (left[:, place] - made) / upper[place, place]
            left[:, place + 1 : stop] -= np.outer(error, upper[place, place + 1 : stop])
            wrong[:, place - first] = error
        left[:, stop:] -= wrong @ upper[first:stop, stop:]
    codes = np.empty(values.shape, found[0].dtype)
    codes[:, order] = np.stack(found, 1)
    return codes


def _inverse_root(hessian: NDArray[np.float64]) -> Float:
    """The upper triangular U with Uᵀ·U the inverse of the damped ``hessian``."""
    damped = hessian + np.eye(len(hessian)) * max(_DAMPING * np.diag(hessian).mean(), 1e-12)
    lower = np.linalg.cholesky(np.linalg.inv(damped))
    return np.ascontiguousarray(lower.T, np.float32)
