"""Normalizations."""

from __future__ import annotations

import torch
from torch.nn import functional

from mobileo_export.artifacts.mlpackage.limits import guard

from .registry import Ints, Tensor, kernel


@kernel("batch_norm")
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    epsilon: float = 1e-5,
) -> Tensor:
    """``gamma (x - mean) / sqrt(variance + epsilon) + beta`` for every channel (axis 1)."""
    return functional.batch_norm(x, mean, variance, gamma, beta, eps=epsilon)


@kernel("instance_norm")
def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: float = 1e-5
) -> Tensor:
    """Normalize every channel of every sample over its spatial axes."""
    axes = list(range(2, x.ndim))
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    channels = [1, -1] + [1] * len(axes)
    y = (x - mean) * torch.rsqrt(variance + epsilon)
    if gamma is not None:
        y = y * gamma.reshape(channels)
    return y if beta is None else y + beta.reshape(channels)


@kernel("layer_norm")
def layer_norm(
    x: Tensor,
    axes: Ints | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """Normalize over ``axes`` (all by default); gamma and beta have the sizes of these axes."""
    over = sorted(axis % x.ndim for axis in axes) if axes is not None else list(range(x.ndim))
    sizes = [x.shape[axis] for axis in over]
    if over == list(range(x.ndim - len(over), x.ndim)):
        gamma = None if gamma is None else gamma.reshape(sizes)
        beta = None if beta is None else beta.reshape(sizes)
        return functional.layer_norm(x, sizes, gamma, beta, epsilon)
    variance, mean = torch.var_mean(x, over, correction=0, keepdim=True)
    shape = [size if axis in over else 1 for axis, size in enumerate(x.shape)]
    y = (x - mean) * torch.rsqrt(variance + epsilon)
    if gamma is not None:
        y = y * gamma.reshape(shape)
    return y if beta is None else y + beta.reshape(shape)


@kernel("l2_norm")
def l2_norm(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    """``x / sqrt(sum(x^2) + epsilon)`` over the last three axes."""
    return x * torch.rsqrt(x.square().sum([-3, -2, -1], keepdim=True) + epsilon)


@kernel("local_response_norm")
def local_response_norm(
    x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """``x / (k + alpha / size * sum of x^2 over size neighbouring channels) ^ beta``."""
    guard([*x.shape[:1], x.shape[1] + size, *x.shape[2:]])
    return functional.local_response_norm(x, size, alpha, beta, k)
