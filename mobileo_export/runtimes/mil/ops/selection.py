"""Operations that choose, order or generate elements."""

from __future__ import annotations

import math

import torch

from mobileo_export.artifacts.mlpackage.limits import guard, guard_broadcast

from .registry import Axis, Ints, Number, Tensor, Tensors, kernel


@kernel("select")
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``a`` where ``cond`` holds, else ``b``."""
    guard_broadcast(cond.shape, a.shape, b.shape)
    return torch.where(cond.bool(), a, b)


@kernel("fill")
def fill(shape: Ints, value: Number = 0.0) -> Tensor:
    """``value`` everywhere."""
    guard(shape)
    return torch.full(shape, value)


@kernel("fill_like")
def fill_like(ref_tensor: Tensor, value: Number = 0.0) -> Tensor:
    """``value`` everywhere, in the shape of another tensor."""
    return torch.full(ref_tensor.shape, value)


@kernel("range_1d")
def range_1d(end: Number, start: Number, step: Number) -> Tensor:
    """``start, start + step, …`` before ``end``."""
    if step == 0:
        raise ValueError("a range cannot step by 0")
    count = math.ceil((end - start) / step)
    guard([max(count, 0)])
    if count <= 0:
        return torch.empty(0, dtype=torch.int32)
    return torch.arange(start, end, step)


@kernel("one_hot")
def one_hot(
    indices: Tensor,
    one_hot_vector_size: int,
    axis: Axis = -1,
    on_value: Number = 1,
    off_value: Number = 0,
) -> Tensor:
    """``on_value`` at every index along a new axis, ``off_value`` elsewhere."""
    axis %= indices.ndim + 1
    guard([*indices.shape, one_hot_vector_size])
    classes = torch.arange(one_hot_vector_size).reshape([-1] + [1] * (indices.ndim - axis))
    hit = indices.unsqueeze(axis) == classes
    return torch.where(hit, torch.tensor(on_value), torch.tensor(off_value))


@kernel("non_zero")
def non_zero(x: Tensor) -> Tensor:
    """Indices of elements that are not zero, [count, rank]."""
    return torch.nonzero(x)


@kernel("topk")
def topk(
    x: Tensor,
    *,
    k: int = 1,
    axis: Axis = -1,
    ascending: bool = False,
    sort: bool = True,
    return_indices: bool = True,
    output_indices_dtype: str = "int32",
) -> Tensors | Tensor:
    """The ``k`` largest (or smallest) elements along ``axis`` and their indices; ties by index."""
    values, indices = torch.sort(x, dim=axis, descending=not ascending, stable=True)
    count = values.shape[axis] if k == -1 else k
    values = values.narrow(axis, 0, count)
    return (values, indices.narrow(axis, 0, count)) if return_indices else values


@kernel("argsort")
def argsort(x: Tensor, axis: Axis = -1, ascending: bool = False) -> Tensor:
    """Indices that sort ``x`` along ``axis``; ties by index."""
    return torch.argsort(x, dim=axis, descending=not ascending, stable=True)


@kernel("cumsum")
def cumsum(x: Tensor, axis: Axis = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """Running sums along ``axis``: before the element if exclusive, from the end if reverse."""
    y = x.flip(axis) if reverse else x
    total = torch.cumsum(y, axis)
    if exclusive:
        first = torch.zeros_like(total.narrow(axis, 0, min(1, total.shape[axis])))
        total = torch.cat([first, total.narrow(axis, 0, max(0, total.shape[axis] - 1))], axis)
    return total.flip(axis) if reverse else total


@kernel("band_part")
def band_part(x: Tensor, lower: int = -1, upper: int = -1) -> Tensor:
    """Keep the diagonals from ``-lower`` to ``upper`` of the last two axes; -1 keeps all."""
    rows, columns = torch.arange(x.shape[-2])[:, None], torch.arange(x.shape[-1])
    keep = torch.ones(x.shape[-2:], dtype=torch.bool)
    if lower >= 0:
        keep &= rows - columns <= lower
    if upper >= 0:
        keep &= columns - rows <= upper
    return torch.where(keep, x, torch.zeros((), dtype=x.dtype))
