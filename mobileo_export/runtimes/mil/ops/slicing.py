"""Contiguous and strided parts of a tensor."""

from __future__ import annotations

import torch

from mobileo_export.artifacts.mlpackage.limits import guard

from .registry import Axis, Bools, Ints, Tensor, kernel


@kernel("slice_by_index")
def slice_by_index(
    x: Tensor,
    *,
    begin: Ints,
    end: Ints,
    stride: Ints | None = None,
    begin_mask: Bools | None = None,
    end_mask: Bools | None = None,
    squeeze_mask: Bools | None = None,
) -> Tensor:
    """NumPy's ``x[begin:end:stride]``; masks ignore a bound, or take one index only."""
    slices = _slices(x, (begin, end, stride), (begin_mask, end_mask, squeeze_mask))
    for axis, part in enumerate(slices):
        if part.step < 0:
            x = x.index_select(axis, torch.arange(part.start, part.stop, part.step))
        elif part != slice(0, x.shape[axis], 1):
            x = x[(slice(None),) * axis + (part,)]
    return x.squeeze(_dropped(squeeze_mask))


@kernel("slice_by_size")
def slice_by_size(x: Tensor, begin: Ints, size: Ints) -> Tensor:
    """``size`` elements from ``begin`` along every axis; -1 takes all that is left."""
    for axis, (start, count) in enumerate(zip(begin, size, strict=True)):
        first = start + x.shape[axis] if start < 0 else start
        x = x.narrow(axis, first, x.shape[axis] - first if count == -1 else count)
    return x


@kernel("slice_update")
def slice_update(
    x: Tensor,
    update: Tensor,
    *,
    begin: Ints,
    end: Ints,
    stride: Ints | None = None,
    begin_mask: Bools | None = None,
    end_mask: Bools | None = None,
    squeeze_mask: Bools | None = None,
) -> Tensor:
    """``x`` with the part that ``slice_by_index`` would take replaced by ``update``."""
    slices = _slices(x, (begin, end, stride), (begin_mask, end_mask, squeeze_mask))
    y = x.clone()
    for axis in sorted(_dropped(squeeze_mask)):
        update = update.unsqueeze(axis)
    indices = torch.meshgrid(
        *(torch.arange(part.start, part.stop, part.step) for part in slices), indexing="ij"
    )
    if all(part.step > 0 for part in slices):
        y[slices] = update.to(y.dtype)
    else:
        y[indices] = update.to(y.dtype).expand(indices[0].shape)
    return y


def _slices(
    x: Tensor,
    bounds: tuple[Ints, Ints, Ints | None],
    masks: tuple[Bools | None, Bools | None, Bools | None],
) -> tuple[slice, ...]:
    """The slice along every axis, resolved against the sizes of ``x``.

    Args:
        x: what is sliced.
        bounds: begin, end and stride.
        masks: axes whose begin or end is ignored, and axes of which one index is taken.
    """
    begin, end, stride = bounds
    no_begin, no_end, single = (mask or [False] * x.ndim for mask in masks)
    parts = []
    for axis, size in enumerate(x.shape):
        first = None if no_begin[axis] else begin[axis]
        last = None if no_end[axis] else end[axis]
        if single[axis]:
            index = first or 0
            index = index + size if index < 0 else index
            if not 0 <= index < size:
                raise IndexError(f"index {first} is outside an axis of size {size}")
            parts.append(slice(index, index + 1, 1))
            continue
        start, stop, step = slice(first, last, stride[axis] if stride else 1).indices(size)
        # An empty range is normal form for torch, which wants start <= stop.
        parts.append(slice(start, stop if step < 0 else max(start, stop), step))
    return tuple(parts)


def _dropped(squeeze_mask: Bools | None) -> tuple[int, ...]:
    return tuple(axis for axis, drop in enumerate(squeeze_mask or ()) if drop)


@kernel("sliding_windows")
def sliding_windows(x: Tensor, axis: Axis, size: int, stride: int = 1) -> Tensor:
    """All windows of ``size`` along ``axis``; the window is a new axis after it."""
    axis %= x.ndim
    windows = x.unfold(axis, size, stride).movedim(-1, axis + 1)
    guard(windows.shape, x.itemsize)
    return windows


@kernel("crop")
def crop(x: Tensor, crop_height: Ints, crop_width: Ints) -> Tensor:
    """Cut off (before, after) of the last two axes."""
    (top, bottom), (left, right) = crop_height, crop_width
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]
