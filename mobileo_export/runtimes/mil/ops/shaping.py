"""Operations that rearrange or join elements without computing with them."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from mobileo_export.artifacts.mlpackage.limits import guard

from .padding import flat
from .registry import Axis, Bools, Ints, Number, Tensor, Tensors, kernel


@kernel("shape")
def shape(x: Tensor) -> Tensor:
    """The sizes of ``x``, [rank]."""
    return torch.tensor(x.shape, dtype=torch.int32)


@kernel("reshape")
def reshape(x: Tensor, shape: Ints) -> Tensor:
    """The same elements in another shape; -1 is inferred.

    0 keeps the size at the same distance from the end, 1 if there is none: the rule of iOS 17,
    which is that of iOS 15 where that one allows zeros (equal ranks).
    """
    if 0 in shape and x.numel():
        lead = len(shape) - x.ndim
        kept = [1] * lead + list(x.shape[max(0, -lead) :])
        shape = [size or old for size, old in zip(shape, kept, strict=True)]
    return x.reshape(shape)


@kernel("reshape_like")
def reshape_like(
    x: Tensor, ref_tensors: Tensors, begins: Ints, ends: Ints, end_masks: Bools
) -> Tensor:
    """The same elements; the shape joins a range of sizes of every reference tensor."""
    sizes: Ints = []
    for ref, begin, end, to_end in zip(ref_tensors, begins, ends, end_masks, strict=True):
        sizes += ref.shape[begin : None if to_end else end]
    return x.reshape(sizes)


@kernel("transpose")
def transpose(x: Tensor, perm: Ints) -> Tensor:
    """Axes in another order."""
    return x.permute(perm)


@kernel("expand_dims")
def expand_dims(x: Tensor, axes: Ints) -> Tensor:
    """Insert axes of size 1; positions count in the result."""
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


@kernel("squeeze")
def squeeze(x: Tensor, axes: Ints | None = None) -> Tensor:
    """Drop axes of size 1; other sizes are left alone, as PyTorch does."""
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@kernel("flatten2d")
def flatten2d(x: Tensor, axis: Axis = 1) -> Tensor:
    """[product of the sizes before ``axis``, product of the rest]."""
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@kernel("concat")
def concat(values: Tensors, axis: Axis, interleave: bool = False) -> Tensor:
    """Join along ``axis``; scalars count as vectors of one. Interleaving takes turns by index."""
    values = tuple(value.reshape(1) if value.ndim == 0 else value for value in values)
    if not interleave:
        return torch.cat(values, axis)
    axis %= values[0].ndim
    return torch.stack(values, axis + 1).flatten(axis, axis + 1)


@kernel("stack")
def stack(values: Tensors, axis: Axis) -> Tensor:
    """Join along a new axis."""
    return torch.stack(values, axis)


@kernel("split")
def split(
    x: Tensor, axis: Axis, num_splits: int | None = None, split_sizes: Ints | None = None
) -> Tensors:
    """Cut along ``axis`` into equal parts or into parts of the given sizes."""
    if split_sizes is None:
        if not num_splits or x.shape[axis] % num_splits:
            raise ValueError(f"size {x.shape[axis]} cannot be split into {num_splits} equal parts")
        split_sizes = [x.shape[axis] // num_splits] * num_splits
    return torch.split(x, split_sizes, axis)


@kernel("tile")
def tile(x: Tensor, reps: Ints) -> Tensor:
    """Repeat ``x`` along every axis."""
    guard([size * rep for size, rep in zip(x.shape, reps, strict=True)], x.itemsize)
    return x.repeat(reps)


@kernel("pad")
def pad(x: Tensor, pad: Ints, mode: str = "constant", constant_val: Number = 0.0) -> Tensor:
    """Pad the last axes; ``pad`` holds before and after of each, in their order."""
    pads = list(zip(pad[::2], pad[1::2], strict=True))
    lead = x.ndim - len(pads)
    sizes = [
        size + before + after for size, (before, after) in zip(x.shape[lead:], pads, strict=True)
    ]
    guard([*x.shape[:lead], *sizes], x.itemsize)
    if mode == "constant":
        return functional.pad(x, flat(pads), value=constant_val)
    for axis, (before, after) in enumerate(pads, lead):
        if before or after:
            positions = torch.arange(-before, x.shape[axis] + after)
            x = x.index_select(axis, _folded(positions, x.shape[axis], mode))
    return x


def _folded(positions: Tensor, size: int, mode: str) -> Tensor:
    """Positions beyond the ends brought back into [0, size)."""
    last = size - 1
    match mode:
        case "replicate":
            return positions.clamp(0, last)
        case "reflect":
            return last - (last - positions.abs()).abs()
        case _:
            raise ValueError(f"unknown mode {mode!r}")


@kernel("reverse")
def reverse(x: Tensor, axes: Ints | None = None) -> Tensor:
    """Turn around along ``axes`` (all by default)."""
    return x.flip(list(range(x.ndim)) if axes is None else axes)


@kernel("reverse_sequence")
def reverse_sequence(
    x: Tensor, lengths: Tensor, seq_axis: Axis = 0, batch_axis: Axis = 0
) -> Tensor:
    """Turn around the first ``lengths[b]`` elements along ``seq_axis`` of every batch entry b."""
    size = x.shape[seq_axis]
    steps = torch.arange(size)
    count = lengths.long()[:, None]
    index = torch.where(steps < count, count - 1 - steps, steps)  # [batch, size]
    shape = [1] * x.ndim
    shape[batch_axis], shape[seq_axis] = index.shape
    index = index if batch_axis % x.ndim < seq_axis % x.ndim else index.T
    return torch.take_along_dim(x, index.reshape(shape), seq_axis)


@kernel("depth_to_space")
def depth_to_space(x: Tensor, block_size: int) -> Tensor:
    """[n, C, H, W] -> [n, C / b^2, H b, W b]; the block index leads in the channels."""
    n, c, h, w = x.shape
    b = block_size
    y = x.reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2)
    return y.reshape(n, c // (b * b), h * b, w * b)


@kernel("space_to_depth")
def space_to_depth(x: Tensor, block_size: int) -> Tensor:
    """The inverse of ``depth_to_space``."""
    n, c, h, w = x.shape
    b = block_size
    y = x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4)
    return y.reshape(n, c * b * b, h // b, w // b)


@kernel("pixel_shuffle")
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """[n, C f^2, H, W] -> [n, C, H f, W f]; the block index trails in the channels."""
    return functional.pixel_shuffle(x, upscale_factor)


@kernel("pixel_unshuffle")
def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of ``pixel_shuffle``."""
    return functional.pixel_unshuffle(x, downscale_factor)


@kernel("space_to_batch")
def space_to_batch(x: Tensor, block_shape: Ints, paddings: Ints) -> Tensor:
    """Move blocks of the (padded) two spatial axes to the front of the batch axis."""
    (top, bottom, left, right), (bh, bw) = paddings, block_shape
    guard([*x.shape[:-2], x.shape[-2] + top + bottom, x.shape[-1] + left + right], x.itemsize)
    x = functional.pad(x, [left, right, top, bottom])
    n, c, h, w = x.shape
    y = x.reshape(n, c, h // bh, bh, w // bw, bw).permute(3, 5, 0, 1, 2, 4)
    return y.reshape(n * bh * bw, c, h // bh, w // bw)


@kernel("batch_to_space")
def batch_to_space(x: Tensor, block_shape: Ints, crops: Ints) -> Tensor:
    """The inverse of ``space_to_batch``: padding is cut off."""
    (top, bottom, left, right), (bh, bw) = crops, block_shape
    n, c, h, w = x.shape
    y = x.reshape(bh, bw, n // (bh * bw), c, h, w).permute(2, 3, 4, 0, 5, 1)
    y = y.reshape(n // (bh * bw), c, h * bh, w * bw)
    return y[:, :, top : h * bh - bottom, left : w * bw - right]
