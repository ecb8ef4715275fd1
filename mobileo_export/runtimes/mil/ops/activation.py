"""Activation functions."""

from __future__ import annotations

import torch
from torch.nn import functional

from .elementwise import unary
from .registry import Axis, Tensor, kernel

_PLAIN = {
    "relu": torch.relu,
    "relu6": functional.relu6,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "softplus": lambda x: torch.logaddexp(
        x, torch.zeros_like(x)
    ),  # of any size, as log(1 + exp(x))
    "softsign": functional.softsign,
}
for _kind, _function in _PLAIN.items():
    unary(_kind, _function)


@kernel("clamped_relu")
def clamped_relu(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``min(beta, x)`` where ``x >= 0``, else ``min(beta, alpha x)``."""
    return torch.where(x >= 0, x, alpha * x).clamp_max(beta)


@kernel("leaky_relu")
def leaky_relu(x: Tensor, alpha: float) -> Tensor:
    """``x`` where ``x >= 0``, else ``alpha x``."""
    return functional.leaky_relu(x, alpha)


@kernel("prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """Leaky ReLU with a slope for every channel (axis 1)."""
    return functional.prelu(x, alpha)


@kernel("thresholded_relu")
def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    """``x`` where ``x >= alpha``, else 0."""
    # One pass over x: what exceeds the number before alpha is at least alpha.
    bound, lowest = (torch.tensor(value, dtype=x.dtype) for value in (alpha, -torch.inf))
    return functional.threshold(x, torch.nextafter(bound, lowest).item(), 0.0)


@kernel("elu")
def elu(x: Tensor, alpha: float) -> Tensor:
    """``x`` where ``x > 0``, else ``alpha (exp(x) - 1)``."""
    return functional.elu(x, alpha)


@kernel("gelu")
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """Gaussian error unit, exact or in one of the two documented approximations."""
    match mode:
        case "EXACT":
            return functional.gelu(x)
        case "TANH_APPROXIMATION":
            return functional.gelu(x, approximate="tanh")
        case "SIGMOID_APPROXIMATION":
            return x * torch.sigmoid(1.702 * x)
        case _:
            raise ValueError(f"unknown mode {mode!r}")


@kernel("sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``min(max(alpha x + beta, 0), 1)``."""
    return (alpha * x).add_(beta).clamp_(0, 1)


@kernel("linear_activation")
def linear_activation(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``alpha x + beta``."""
    return alpha * x + beta


@kernel("scaled_tanh")
def scaled_tanh(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``alpha tanh(beta x)``."""
    return alpha * torch.tanh(beta * x)


@kernel("softplus_parametric")
def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """``alpha_c log(1 + exp(beta_c x_c))`` for every channel c (axis 1)."""
    channels = [1, -1] + [1] * (x.ndim - 2)
    scaled = beta.reshape(channels) * x
    return alpha.reshape(channels) * torch.logaddexp(scaled, torch.zeros_like(scaled))


@kernel("softmax")
def softmax(x: Tensor, axis: Axis = -1) -> Tensor:
    """``exp(x) / sum(exp(x))`` along ``axis``."""
    return torch.softmax(x, axis)
