"""Elementwise operations of one and two tensors, with NumPy's broadcasting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mobileo_export.artifacts.mlpackage.limits import guard_broadcast

from .registry import Axis, Number, Tensor, kernel

if TYPE_CHECKING:
    from collections.abc import Callable


def unary(kind: str, function: Callable[[Tensor], Tensor]) -> None:
    """Register ``function`` as the operation ``kind`` of one tensor."""

    @kernel(kind)
    def run(x: Tensor) -> Tensor:
        return function(x)


def _binary(kind: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    @kernel(kind)
    def run(x: Tensor, y: Tensor) -> Tensor:
        if x.shape != y.shape:
            # Broadcasting is the one way two small values make a large one.
            guard_broadcast(x.shape, y.shape)
        return function(x, y)


_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atanh": torch.atanh,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "floor": torch.floor,
    "identity": lambda x: x,
    "logical_not": torch.logical_not,
    "round": torch.round,
    "sign": torch.sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
    "tanh": torch.tanh,
}
for _kind, _one in _UNARY.items():
    unary(_kind, _one)


def _real_div(x: Tensor, y: Tensor) -> Tensor:
    """True division; of integers the quotient towards zero (value inference casts it back)."""
    integers = not (x.is_floating_point() or y.is_floating_point())
    return torch.div(x, y, rounding_mode="trunc" if integers else None)


_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "equal": torch.eq,
    "floor_div": torch.floor_divide,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mod": torch.remainder,
    "mul": torch.mul,
    "not_equal": torch.ne,
    "pow": torch.pow,
    "real_div": _real_div,
    "sub": torch.sub,
}
for _kind, _two in _BINARY.items():
    _binary(_kind, _two)


@kernel("inverse")
def inverse(x: Tensor, epsilon: float = 1e-4) -> Tensor:
    """``1 / (x + epsilon)``."""
    return torch.reciprocal(x + epsilon)


@kernel("log")
def log(x: Tensor, epsilon: float = 1e-45) -> Tensor:
    """``log(x + epsilon)``."""
    return torch.log(x + epsilon)


@kernel("rsqrt")
def rsqrt(x: Tensor, epsilon: float = 1e-12) -> Tensor:
    """``1 / sqrt(x + epsilon)``."""
    return torch.rsqrt(x + epsilon)


@kernel("clip")
def clip(x: Tensor, alpha: Number, beta: Number) -> Tensor:
    """``x`` limited to [alpha, beta]."""
    return torch.clamp(x, alpha, beta)


@kernel("threshold")
def threshold(x: Tensor, alpha: Number) -> Tensor:
    """``max(x, alpha)``."""
    return torch.clamp_min(x, alpha)


@kernel("cast")
def cast(x: Tensor, dtype: str) -> Tensor:
    """Convert the elements; floats lose their fraction towards zero, ``bool`` is ``x != 0``."""
    # The declared type of the output decides: the interpreter converts every result to it.
    return x != 0 if dtype == "bool" else x


_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


@kernel("quantize")
def quantize(
    input_: Tensor,
    scale: Tensor,
    output_dtype: str,
    zero_point: Tensor | None = None,
    axis: Axis | None = None,
) -> Tensor:
    """``clip(round(x / scale) + zero_point)`` to the range of the 8-bit type."""
    y = torch.round(input_ / _along(scale, axis, input_))
    if zero_point is not None:
        y = y + _along(zero_point, axis, input_)
    if output_dtype not in _RANGES:
        raise ValueError(f"unknown 8-bit type {output_dtype!r}")
    return torch.clamp(y, *_RANGES[output_dtype])


@kernel("dequantize")
def dequantize(
    input_: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: Axis | None = None
) -> Tensor:
    """``(x - zero_point) * scale``."""
    y = input_.float()
    if zero_point is not None:
        y = y - _along(zero_point, axis, input_)
    return y * _along(scale, axis, input_)


def _along(parameter: Tensor, axis: int | None, x: Tensor) -> Tensor:
    """A scalar or vector parameter, shaped to vary along ``axis`` of ``x``."""
    if parameter.ndim == 0:
        return parameter
    if axis is None:
        raise ValueError("a vector of parameters needs an axis")
    shape = [1] * x.ndim
    shape[axis] = -1
    return parameter.reshape(shape)
