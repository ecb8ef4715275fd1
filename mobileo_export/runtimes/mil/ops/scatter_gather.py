"""Reading and writing elements by index."""

from __future__ import annotations

import math

import torch

from mobileo_export.artifacts.mlpackage.limits import guard

from .registry import Axis, Tensor, kernel


def _wrapped(indices: Tensor, size: int, validate: bool) -> Tensor:
    """Indices as int64; validation (iOS 17) refuses negative ones, which otherwise wrap.

    What lies outside even then is left for torch to refuse.
    """
    indices = indices.long()
    if validate:
        _require(indices, size)
    return torch.where(indices < 0, indices + size, indices)


def _require(indices: Tensor, size: int) -> None:
    if indices.numel() and (int(indices.min()) < 0 or int(indices.max()) >= size):
        raise IndexError(f"an index is outside an axis of size {size}")


@kernel("gather")
def gather(
    x: Tensor, indices: Tensor, axis: Axis = 0, batch_dims: Axis = 0, validate_indices: bool = False
) -> Tensor:
    """Slices of ``x`` along ``axis``: x.shape[:axis] + indices.shape[batch_dims:] + rest."""
    axis = axis % x.ndim
    index = _wrapped(indices, x.shape[axis], validate_indices)
    inner = index.shape[batch_dims:]
    guard([*x.shape[:axis], *inner, *x.shape[axis + 1 :]], x.itemsize)
    if batch_dims == 0:
        y = x.index_select(axis, index.reshape(-1))
    else:
        # [batch, 1 …, count, 1 …]: the same indices for all axes between batch and ``axis``.
        batch = index.shape[:batch_dims]
        between = [1] * (axis - batch_dims)
        after = [1] * (x.ndim - axis - 1)
        y = torch.take_along_dim(x, index.reshape([*batch, *between, -1, *after]), axis)
    return y.reshape([*x.shape[:axis], *inner, *x.shape[axis + 1 :]])


@kernel("gather_along_axis")
def gather_along_axis(
    x: Tensor, indices: Tensor, axis: Axis = 0, validate_indices: bool = False
) -> Tensor:
    """One element for every index, along ``axis``; the result has the shape of ``indices``."""
    return torch.take_along_dim(x, _wrapped(indices, x.shape[axis], validate_indices), axis)


@kernel("gather_nd")
def gather_nd(
    x: Tensor, indices: Tensor, batch_dims: Axis = 0, validate_indices: bool = False
) -> Tensor:
    """Slices of ``x`` at index tuples, the last axis of ``indices``."""
    depth = indices.shape[-1]
    batch = x.shape[:batch_dims]
    sizes = x.shape[batch_dims : batch_dims + depth]
    rest = x.shape[batch_dims + depth :]
    flat = _flat_index(indices, sizes, validate_indices)
    outer = indices.shape[batch_dims:-1]
    guard([*batch, *outer, *rest], x.itemsize)
    table = x.reshape(math.prod(batch), math.prod(sizes), math.prod(rest))
    picked = torch.take_along_dim(table, flat.reshape(math.prod(batch), -1, 1), 1)
    return picked.reshape([*batch, *outer, *rest])


@kernel("scatter")
def scatter(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    *,
    axis: Axis = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Tensor:
    """Combine whole slices of ``updates`` into ``data`` at ``indices`` along ``axis``."""
    axis %= data.ndim
    lead, rank = data.shape[:axis], indices.ndim
    flat_updates = updates.reshape([*lead, indices.numel(), *data.shape[axis + 1 :]])
    shape = [1] * data.ndim
    shape[axis] = indices.numel()
    index = (
        _wrapped(indices, data.shape[axis], validate_indices)
        .reshape(shape)
        .expand(flat_updates.shape)
    )
    if rank == 0 and updates.ndim == data.ndim:
        raise ValueError("updates have one axis too many for a scalar index")
    return _combine(data, axis, index, flat_updates, mode)


@kernel("scatter_along_axis")
def scatter_along_axis(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    *,
    axis: Axis = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Tensor:
    """Combine single elements of ``updates`` into ``data`` at ``indices`` along ``axis``."""
    return _combine(
        data, axis, _wrapped(indices, data.shape[axis], validate_indices), updates, mode
    )


@kernel("scatter_nd")
def scatter_nd(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    mode: str = "add",
    validate_indices: bool = False,
) -> Tensor:
    """Combine slices of ``updates`` into ``data`` at index tuples, the last axis of ``indices``."""
    depth = indices.shape[-1]
    sizes, rest = data.shape[:depth], math.prod(data.shape[depth:])
    index = _flat_index(indices, sizes, validate_indices).reshape(-1, 1).expand(-1, rest)
    table = data.reshape(math.prod(sizes), rest)
    return _combine(table, 0, index, updates.reshape(-1, rest), mode).reshape(data.shape)


def _flat_index(indices: Tensor, sizes: torch.Size, validate: bool) -> Tensor:
    """Index tuples [..., depth] as one index into axes of ``sizes`` joined together."""
    flat = torch.zeros(indices.shape[:-1], dtype=torch.int64)
    for axis, size in enumerate(sizes):
        index = _wrapped(indices[..., axis], size, validate)
        # Joined axes would hide an index that leaves its own axis.
        _require(index, size)
        flat = flat * size + index
    return flat


_REDUCTIONS = {
    "add": "sum",
    "sub": "sum",
    "mul": "prod",
    "div": "prod",
    "max": "amax",
    "min": "amin",
}


def _combine(data: Tensor, axis: int, index: Tensor, updates: Tensor, mode: str) -> Tensor:
    """``data`` with ``updates`` written, or folded in, at ``index`` along ``axis``."""
    updates = updates.to(data.dtype)
    if mode == "update":
        return data.scatter(axis, index, updates)
    reduction = _REDUCTIONS.get(mode)
    if reduction is None:
        raise ValueError(f"unknown mode {mode!r}")
    if mode == "div":
        ones = torch.ones_like(data)
        divisor = ones.scatter_reduce(axis, index, updates, "prod")
        return torch.div(data, divisor, rounding_mode=None if data.is_floating_point() else "trunc")
    return data.scatter_reduce(axis, index, -updates if mode == "sub" else updates, reduction)
