"""MLX's affine quantization of a matrix in NumPy, equal to ``mx.quantize`` to the bit.

A group of ``group_size`` neighbours of a row shares a scale and a bias: ``w ≈ scale * q + bias``.
The end of the group's range that lies farther from zero is hit exactly, and so is zero, whenever
the range spans it. All arithmetic is float32; scale and bias are rounded to float16 last, so that
``q`` is chosen with the unrounded ones. Source: the CPU kernel of MLX 0.32 (``affine`` mode),
compared bit for bit in ``tests/converters/mlx``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTIZED_BITS = (4, 5, 6, 8)
GROUP_SIZES = (32, 64, 128)
_RUN = 8  # values that fill whole bytes, whatever their bits
_SMALLEST_SCALE = np.float32(1e-7)


class Quantized(NamedTuple):
    """One matrix: ``weight`` uint32 [rows, columns * bits / 32], the others float16 by group."""

    weight: NDArray[np.uint32]
    scales: NDArray[np.float16]
    biases: NDArray[np.float16]


def quantize(values: NDArray[np.float32], bits: int, group_size: int) -> Quantized:
    """Quantize a finite matrix [rows, columns]; ``columns`` is a multiple of ``group_size``.

    ``values`` holds what float16 can hold: MLX quantizes after casting to it.
    """
    rows, columns = values.shape
    steps = np.float32((1 << bits) - 1)
    groups = values.reshape(-1, group_size)
    low = groups.min(axis=1)
    high = groups.max(axis=1)
    from_low = np.abs(low) > np.abs(high)
    edge = np.where(from_low, low, high)
    scale = np.maximum((high - low) / steps, _SMALLEST_SCALE)
    np.negative(scale, out=scale, where=~from_low)
    zero_point = np.rint(edge / scale)
    has_zero_point = zero_point != 0
    np.divide(edge, zero_point, out=scale, where=has_zero_point)
    bias = np.where(has_zero_point, edge, np.float32(0))

    levels = groups - bias[:, None]
    levels /= scale[:, None]
    np.rint(levels, out=levels)
    np.clip(levels, 0, steps, out=levels)
    shape = (rows, columns // group_size)
    return Quantized(
        _pack(levels.astype(np.uint8), bits).view("<u4").reshape(rows, -1),
        scale.astype(np.float16).reshape(shape),
        bias.astype(np.float16).reshape(shape),
    )


def dequantize(matrix: Quantized, bits: int, group_size: int) -> NDArray[np.float32]:
    """The matrix that the stored numbers stand for, computed in float32: [rows, columns]."""
    rows = matrix.weight.shape[0]
    levels = _unpack(np.ascontiguousarray(matrix.weight).view(np.uint8), bits)
    values = levels.reshape(rows, -1, group_size).astype(np.float32)
    values *= matrix.scales.astype(np.float32)[..., None]
    values += matrix.biases.astype(np.float32)[..., None]
    return values.reshape(rows, -1)


def _pack(levels: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    # One stream of bits: the first value takes the lowest of the first byte.
    if bits == 8:
        return levels
    if bits == 4:
        pairs = levels.view("<u2")
        packed: NDArray[np.uint8] = (pairs | pairs >> np.uint16(4)).astype(np.uint8)
        return packed
    values = levels.reshape(-1, _RUN)
    words = np.zeros(len(values), "<u8")
    for place in range(_RUN):
        words |= values[:, place].astype("<u8") << np.uint64(place * bits)
    return words.view(np.uint8).reshape(-1, 8)[:, :bits].reshape(-1)


def _unpack(packed: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    if bits == 8:
        return packed
    if bits == 4:
        return np.stack((packed & 0xF, packed >> 4), axis=-1)
    runs = packed.reshape(-1, bits)
    words = np.zeros((len(runs), 8), np.uint8)
    words[:, :bits] = runs
    shifts = np.arange(0, _RUN * bits, bits, dtype=np.uint64)
    mask = np.uint64((1 << bits) - 1)
    levels: NDArray[np.uint8] = (words.view("<u8") >> shifts & mask).astype(np.uint8)
    return levels
