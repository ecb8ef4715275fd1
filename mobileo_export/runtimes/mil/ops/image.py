"""Resizing and resampling of the last two axes."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from mobileo_export.artifacts.mlpackage.limits import guard

from .registry import Axis, Ints, Tensor, kernel


def grid(mode: str, start: Tensor, end: Tensor, count: int) -> Tensor:
    """``count`` sampling positions from ``start`` to ``end`` of every box, [N, count].

    As documented at ``resize_bilinear``, with a box in place of the whole axis.
    """
    guard([len(start), count])
    steps = torch.arange(count)
    start, span = start[:, None], (end - start)[:, None]
    match mode:
        case "STRICT_ALIGN_CORNERS" | "ALIGN_CORNERS":
            if count == 1:
                return start + span / 2 if mode == "ALIGN_CORNERS" else start
            return start + steps * (span / (count - 1))
        case "DEFAULT":
            # (size - size / count) / (count - 1) is size / count.
            return start + steps * ((span + 1) / count)
        case "OFFSET_CORNERS":
            delta = span / count
            return start + 0.5 * delta + steps * delta
        case "UNALIGN_CORNERS":
            spacing = (span + 1) / count
            return start + steps * spacing + 0.5 * spacing - 0.5
        case _:
            raise ValueError(f"unknown sampling mode {mode!r}")


def _along(mode: str, size: int, count: int) -> Tensor:
    """``count`` sampling positions of a whole axis, in [0, size - 1]."""
    start, end = torch.tensor([[0], [size - 1]], dtype=torch.float64)
    return grid(mode, start, end, count)[0].clamp(0, size - 1)


def _interpolate(x: Tensor, axis: int, positions: Tensor) -> Tensor:
    """Linear interpolation of ``x`` at fractional ``positions`` along ``axis``."""
    low = positions.floor()
    high = (low + 1).clamp_max(x.shape[axis] - 1)
    shape = [1] * x.ndim
    shape[axis] = -1
    weight = (positions - low).to(x.dtype).reshape(shape)
    below, above = x.index_select(axis, low.long()), x.index_select(axis, high.long())
    return torch.lerp(below, above, weight)


def _linear(x: Tensor, sizes: Ints, mode: str) -> Tensor:
    """Resize the last ``len(sizes)`` axes with linear interpolation."""
    guard([*x.shape[: x.ndim - len(sizes)], *sizes])
    for axis, count in enumerate(sizes, x.ndim - len(sizes)):
        if count != x.shape[axis] or mode == "OFFSET_CORNERS":
            x = _interpolate(x, axis, _along(mode, x.shape[axis], count))
    return x


def _nearest(x: Tensor, sizes: Ints) -> Tensor:
    """Resize the last ``len(sizes)`` axes: element ``floor(i * in / out)``."""
    guard([*x.shape[: x.ndim - len(sizes)], *sizes])
    for axis, count in enumerate(sizes, x.ndim - len(sizes)):
        if count != x.shape[axis]:
            positions = torch.arange(count) * x.shape[axis] // count
            x = x.index_select(axis, positions)
    return x


def _scaled(x: Tensor, height: float, width: float) -> Ints:
    return [math.floor(x.shape[-2] * height), math.floor(x.shape[-1] * width)]


@kernel("upsample_nearest_neighbor")
def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: float = 1, scale_factor_width: float = 1
) -> Tensor:
    """Repeat elements of the last two axes to ``floor(size * scale)``."""
    sizes = _scaled(x, scale_factor_height, scale_factor_width)
    if x.ndim != 4:
        return _nearest(x, sizes)
    guard([*x.shape[:2], *sizes])
    return functional.interpolate(x, sizes, mode="nearest")


@kernel("resize_nearest_neighbor")
def resize_nearest_neighbor(x: Tensor, target_size_height: int, target_size_width: int) -> Tensor:
    """The nearest element for every position of the target size."""
    return _nearest(x, [target_size_height, target_size_width])


@kernel("upsample_bilinear")
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    """Bilinear, to ``floor(size * scale)``; the scale is recomputed from the sizes.

    Without ``align_corners`` pixel centres are aligned, unless ``half_pixel_centers`` is false.
    """
    if align_corners:
        mode = "STRICT_ALIGN_CORNERS"
    else:
        mode = "DEFAULT" if half_pixel_centers is False else "UNALIGN_CORNERS"
    return _linear(x, _scaled(x, scale_factor_height, scale_factor_width), mode)


@kernel("resize_bilinear")
def resize_bilinear(
    x: Tensor,
    target_size_height: int = 1,
    target_size_width: int = 1,
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """Bilinear, to a target size, on one of the documented grids."""
    return _linear(x, [target_size_height, target_size_width], sampling_mode)


@kernel("resize")
def resize(
    x: Tensor,
    shape: Ints,
    resized_dims: Axis,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """Resize the last ``resized_dims`` axes to the last sizes of ``shape``; 0 keeps a size.

    Unlike ``resize_nearest_neighbor``, the nearest mode rounds positions of the sampling grid.
    """
    wanted = shape[len(shape) - resized_dims :]
    sizes = [n or x.shape[x.ndim - resized_dims + i] for i, n in enumerate(wanted)]
    if interpolation_mode == "LINEAR":
        return _linear(x, sizes, sampling_mode)
    if interpolation_mode != "NEAREST_NEIGHBOR":
        raise ValueError(f"unknown interpolation mode {interpolation_mode!r}")
    guard([*x.shape[: x.ndim - resized_dims], *sizes])
    for axis, count in enumerate(sizes, x.ndim - resized_dims):
        positions = (_along(sampling_mode, x.shape[axis], count) + 0.5).floor()
        x = x.index_select(axis, positions.long())
    return x
