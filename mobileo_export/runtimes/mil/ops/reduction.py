"""Reductions over some axes (all, when none are given)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .registry import Axis, Ints, Tensor, kernel

if TYPE_CHECKING:
    from collections.abc import Callable


def _reduction(kind: str, function: Callable[[Tensor, Ints, bool], Tensor]) -> None:
    @kernel(kind)
    def run(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
        over = list(range(x.ndim)) if axes is None else axes
        return function(x, over, keep_dims) if over else function(x[None], [0], False)


def _mean(x: Tensor, axes: Ints, keep: bool) -> Tensor:
    return torch.mean(x if x.is_floating_point() else x.double(), axes, keep)


def _prod(x: Tensor, axes: Ints, keep: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = torch.prod(x, axis, keep)
    return x


_REDUCTIONS: dict[str, Callable[[Tensor, Ints, bool], Tensor]] = {
    "reduce_l1_norm": lambda x, axes, keep: x.abs().sum(axes, keep),
    "reduce_l2_norm": lambda x, axes, keep: x.square().sum(axes, keep).sqrt(),
    "reduce_log_sum": lambda x, axes, keep: x.sum(axes, keep).log(),
    "reduce_log_sum_exp": lambda x, axes, keep: torch.logsumexp(
        x if x.is_floating_point() else x.double(), axes, keep
    ),
    "reduce_max": torch.amax,
    "reduce_mean": _mean,
    "reduce_min": torch.amin,
    "reduce_prod": _prod,
    "reduce_sum": torch.sum,
    "reduce_sum_square": lambda x, axes, keep: x.square().sum(axes, keep),
}
for _kind, _function in _REDUCTIONS.items():
    _reduction(_kind, _function)


def _place(kind: str, function: Callable[[Tensor, int, bool], Tensor]) -> None:
    """Register ``function``, which gives an index along an axis."""

    @kernel(kind)
    def run(
        x: Tensor, axis: Axis = -1, keep_dims: bool = False, output_dtype: str = "int32"
    ) -> Tensor:
        return function(x, axis, keep_dims)


_place("reduce_argmax", torch.argmax)
_place("reduce_argmin", torch.argmin)
