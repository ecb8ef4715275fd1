"""Compressed weights: operations that expand stored constants.

Two generations share names: iOS 16 passes packed bytes and a ``shape``, iOS 18 typed sub-byte
tensors (unpacked before they arrive here) with blocks and vectors.
"""

from __future__ import annotations

import math

import torch

from mobileo_export.artifacts.mlpackage.blob import unpack
from mobileo_export.artifacts.mlpackage.dtypes import BY_NAME
from mobileo_export.artifacts.mlpackage.limits import guard

from .registry import Axis, Ints, Tensor, kernel


@kernel("constexpr_affine_dequantize")
def affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: Axis
) -> Tensor:
    """``scale * (data - zero_point)``; vectors vary along ``axis``."""
    shape = [1] * quantized_data.ndim
    shape[axis] = -1
    offset = zero_point.reshape(shape) if zero_point.ndim else zero_point
    factor = scale.reshape(shape) if scale.ndim else scale
    return (quantized_data.float() - offset) * factor


@kernel("constexpr_blockwise_shift_scale")
def blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """``scale * (data - offset)``; each element of scale serves a block of data."""
    blocked, spread = _blocks(data.shape, scale.shape)
    values = data.reshape(blocked).float()
    if offset is not None:
        values = values - offset.reshape(spread)
    return (values * scale.reshape(spread)).reshape(data.shape)


@kernel("constexpr_lut_to_dense")
def lut_to_dense(
    indices: Tensor, lut: Tensor, shape: Ints | None = None, vector_axis: int | None = None
) -> Tensor:
    """Replace every index by its entry (a scalar, or a vector along ``vector_axis``) of the table.

    iOS 18: lut [*groups, palette, vector]; a group of indices shares a table.
    """
    if shape is not None:
        dtype = BY_NAME.get(f"uint{int(math.log2(lut.numel()))}")
        if dtype is None:
            raise ValueError(f"a table of {lut.numel()} entries has no indices")
        guard(shape)
        count = math.prod(shape)
        stored = indices.numpy()
        flat = unpack(stored, dtype, count) if dtype.packed else stored
        return lut.index_select(0, torch.from_numpy(flat).int()).reshape(shape)
    palette, vector = lut.shape[-2:]
    blocked, spread = _blocks(indices.shape, lut.shape[:-2])
    group = torch.arange(math.prod(lut.shape[:-2]), dtype=torch.int32).reshape(spread)
    rows = group * palette + indices.reshape(blocked)
    guard([*indices.shape, vector])
    dense = lut.reshape(-1, vector).index_select(0, rows.reshape(-1))
    if vector == 1:
        return dense.reshape(indices.shape)
    if vector_axis is None:
        raise ValueError("entries that are vectors need a vector_axis")
    axis = vector_axis % indices.ndim
    return dense.reshape(*indices.shape, vector).movedim(-1, axis + 1).flatten(axis, axis + 1)


@kernel("constexpr_sparse_to_dense")
def sparse_to_dense(nonzero_data: Tensor, mask: Tensor, shape: Ints | None = None) -> Tensor:
    """Put the stored elements where the mask has ones, zeros elsewhere."""
    if shape is not None:
        guard(shape)
        bits = unpack(mask.numpy(), BY_NAME["uint1"], math.prod(shape))
        mask = torch.from_numpy(bits).reshape(shape)
    dense = torch.zeros(mask.shape, dtype=nonzero_data.dtype)
    return dense.masked_scatter_(mask.bool(), nonzero_data)


@kernel("constexpr_lut_to_sparse")
def lut_to_sparse(
    indices_mask: Tensor,
    indices_nonzero_data: Tensor,
    lut: Tensor,
    vector_axis: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Table look-up of the stored elements only: the (expanded) mask and the elements."""
    dense = lut_to_dense(
        sparse_to_dense(indices_nonzero_data, indices_mask), lut, vector_axis=vector_axis
    )
    mask = indices_mask
    if lut.shape[-1] > 1 and vector_axis is not None:
        mask = mask.repeat_interleave(lut.shape[-1], vector_axis)
    return mask, dense[mask.bool()]


@kernel("constexpr_sparse_blockwise_shift_scale")
def sparse_blockwise_shift_scale(
    data_mask: Tensor, nonzero_data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """``blockwise_shift_scale`` of the stored elements only: the mask and the elements."""
    dense = blockwise_shift_scale(sparse_to_dense(nonzero_data, data_mask), scale, offset)
    return data_mask, dense[data_mask.bool()]


@kernel("constexpr_cast")
def cast(source_val: Tensor, output_dtype: str) -> Tensor:
    """Half-precision weights as float32."""
    return source_val


def _blocks(shape: torch.Size, groups: torch.Size) -> tuple[Ints, Ints]:
    """Shapes that split every axis into (groups, block), and that spread groups over blocks."""
    if len(shape) != len(groups) or any(n % g for n, g in zip(shape, groups, strict=True)):
        raise ValueError(f"{list(shape)} does not divide into {list(groups)} blocks")
    blocked = [part for n, g in zip(shape, groups, strict=True) for part in (g, n // g)]
    spread = [part for g in groups for part in (g, 1)]
    return blocked, spread
