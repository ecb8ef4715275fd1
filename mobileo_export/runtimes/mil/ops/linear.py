"""Matrix products and attention."""

from __future__ import annotations

import torch
from torch.nn import functional

from .registry import Tensor, Tensors, kernel


@kernel("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias``: x [*, d_in], weight [d_out, d_in], bias [d_out]."""
    if x.is_floating_point() and weight.is_floating_point():
        return functional.linear(x, weight, bias)
    product = _product(x, weight.mT)
    return product if bias is None else product + bias


@kernel("matmul")
def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """NumPy's ``matmul``, with the last two axes of either factor swapped on request."""
    if transpose_x and x.ndim > 1:
        x = x.mT
    if transpose_y and y.ndim > 1:
        y = y.mT
    return _product(x, y)


def _product(x: Tensor, y: Tensor) -> Tensor:
    """The matrix product in the common type of the factors."""
    if x.dtype != y.dtype:
        common = torch.promote_types(x.dtype, y.dtype)
        x, y = x.to(common), y.to(common)
    return torch.matmul(x, y)


@kernel("einsum")
def einsum(values: Tensors, equation: str) -> Tensor:
    """Einstein summation."""
    return torch.einsum(equation.replace(" ", ""), *values)


@kernel("scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
) -> Tensor:
    """``softmax(Q K^T / sqrt(E) + mask) V``; a boolean mask says which keys take part.

    query [B, *, L, E], key [B, *, S, E], value [B, *, S, EV], mask broadcastable to [B, *, L, S].
    """
    return functional.scaled_dot_product_attention(query, key, value, attn_mask)
