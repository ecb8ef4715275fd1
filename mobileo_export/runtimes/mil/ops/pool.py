"""Pooling over one to three spatial axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from mobileo_export.artifacts.mlpackage.limits import guard

from .padding import explicit, flat
from .registry import Ints, Tensor, kernel

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


@dataclass(frozen=True)
class _Windows:
    """Where windows lie: ``pads`` as asked for, ``rest`` what ``ceil_mode`` adds at the ends."""

    sizes: Ints
    strides: Ints
    pads: list[tuple[int, int]]
    rest: Ints

    def pad(self, x: Tensor, value: float) -> Tensor:
        """``x`` such that plain pooling over it gives the documented size."""
        pads = [(b, a + r) for (b, a), r in zip(self.pads, self.rest, strict=True)]
        return functional.pad(x, flat(pads), value=value) if any(map(any, pads)) else x

    def average(self, x: Tensor) -> Tensor:
        """Mean of every window of padded ``x``."""
        return _AVERAGE[len(self.sizes)](x, self.sizes, self.strides)


def _windows(
    x: Tensor,
    sizes: Ints,
    *,
    strides: Ints | None,
    pad_type: str,
    pad: Ints | None,
    ceil_mode: bool,
) -> _Windows:
    strides = strides or [1] * len(sizes)
    pads = explicit(pad_type, pad, x.shape[2:], sizes, strides)
    rest = [0] * len(sizes)
    if ceil_mode:
        for axis, (size, window, stride) in enumerate(
            zip(x.shape[2:], sizes, strides, strict=True)
        ):
            before, after = pads[axis]
            padded = before + size + after
            steps = -(-(padded - window) // stride)
            # A last window that starts beyond the input and its leading padding is dropped.
            if steps * stride >= padded - after and before + after > 0:
                steps -= 1
            rest[axis] = max(0, steps * stride + window - padded)
    spatial = [n + b + a + r for n, (b, a), r in zip(x.shape[2:], pads, rest, strict=True)]
    guard([*x.shape[:2], *spatial])
    return _Windows(sizes, strides, pads, rest)


def _pool(kind: str, over: Callable[[Tensor, _Windows], Tensor]) -> None:
    """Register what ``over`` makes of the windows in a tensor."""

    @kernel(kind)
    def run(
        x: Tensor,
        *,
        kernel_sizes: Ints,
        pad_type: str,
        strides: Ints | None = None,
        pad: Ints | None = None,
        ceil_mode: bool = False,
    ) -> Tensor:
        windows = _windows(
            x, kernel_sizes, strides=strides, pad_type=pad_type, pad=pad, ceil_mode=ceil_mode
        )
        return over(x, windows)


def _largest(x: Tensor, windows: _Windows) -> Tensor:
    """Of every window; padding never wins."""
    padded = windows.pad(x, -math.inf)
    return _MAX[len(windows.sizes)](padded, windows.sizes, windows.strides)


def _root_of_squares(x: Tensor, windows: _Windows) -> Tensor:
    """Root of the sum of squares of every window."""
    mean = windows.average(windows.pad(x, 0.0).square())
    return (mean * math.prod(windows.sizes)).sqrt()


_pool("max_pool", _largest)
_pool("l2_pool", _root_of_squares)


@kernel("avg_pool")
def avg_pool(
    x: Tensor,
    *,
    kernel_sizes: Ints,
    pad_type: str,
    strides: Ints | None = None,
    pad: Ints | None = None,
    ceil_mode: bool = False,
    exclude_padding_from_average: bool = False,
) -> Tensor:
    """Mean of every window; padding counts as zeros unless it is excluded.

    What ``ceil_mode`` adds beyond the padding never counts.
    """
    windows = _windows(
        x, kernel_sizes, strides=strides, pad_type=pad_type, pad=pad, ceil_mode=ceil_mode
    )
    mean = windows.average(windows.pad(x, 0.0))
    padded = any(map(any, windows.pads))
    if not any(windows.rest) and not (padded and exclude_padding_from_average):
        return mean
    counted = torch.ones([1, 1, *x.shape[2:]])
    if exclude_padding_from_average:
        return mean / windows.average(windows.pad(counted, 0.0))
    counted = functional.pad(counted, flat(windows.pads), value=1.0)
    counted = functional.pad(counted, flat([(0, rest) for rest in windows.rest]))
    return mean / windows.average(counted)
