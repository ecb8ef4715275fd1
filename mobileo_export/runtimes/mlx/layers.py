"""What the models on MLX share: matrices, quantized or not, and the norms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlx.core as mx

from mobileo_export.checkpoint.files import SINGLE

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlx.component_folder import ComponentFolder

MXArray = Any
_ATTENTION_EPS = 1e-15  # diffusers': float16 would round it to zero


@dataclass(frozen=True)
class Matrix:
    """The weight of a linear layer or an embedding table, quantized or plain."""

    weight: MXArray
    bias: MXArray | None = None
    scales: MXArray | None = None
    biases: MXArray | None = None
    bits: int = 16
    group_size: int = 0

    def __call__(self, x: MXArray) -> MXArray:
        """``x`` [..., columns] times the transposed matrix: [..., rows]."""
        if self.scales is None or self.biases is None:
            if self.bias is not None:
                return mx.addmm(self.bias, x, self.weight.T)
            return x @ self.weight.T
        wide = accumulated(x.dtype)
        result = mx.quantized_matmul(
            x.astype(wide),
            self.weight,
            scales=self.scales.astype(wide),
            biases=self.biases.astype(wide),
            transpose=True,
            group_size=self.group_size,
            bits=self.bits,
        ).astype(x.dtype)
        return result if self.bias is None else result + self.bias

    def rows(self, ids: MXArray) -> MXArray:
        """The rows ``ids`` [...]: [..., columns]."""
        if self.scales is None or self.biases is None:
            return self.weight[ids]
        return mx.dequantize(
            self.weight[ids],
            self.scales[ids],
            self.biases[ids],
            group_size=self.group_size,
            bits=self.bits,
        )


def accumulated(dtype: Any) -> Any:
    """What the sums of quantized products are widened to.

    MLX's Metal kernels sum in float32 whatever their operands are (``quantized.h``); its CPU kernel
    sums in the operands' type: in half 30 times slower, and over 4,864 terms 50 times less exact.
    """
    return mx.float32 if on_cpu() else dtype


def on_cpu() -> bool:
    """Whether MLX computes on a processor, whose kernels are others than a GPU's."""
    kind = mx.default_device().type
    return bool(kind == mx.cpu)


@dataclass(frozen=True)
class LayerNorm:
    """A layer norm over the last axis; its statistics are float32 whatever ``x`` is."""

    weight: MXArray | None = None
    bias: MXArray | None = None
    eps: float = 1e-5

    def __call__(self, x: MXArray) -> MXArray:
        """``x`` normalised, in its own dtype."""
        return mx.fast.layer_norm(x, self.weight, self.bias, self.eps)


class Tensors:
    """The loaded tensors of a component's folder, handed out once each, in the activations' dtype.

    ``left`` names those that nobody asked for: none, when a model is built; ``taken`` are the
    others, as they were handed out.
    """

    def __init__(self, folder: ComponentFolder, dtype: Any) -> None:
        """Map the folder's file; nothing is read before it is computed with."""
        self.dtype = dtype
        stored: Any = mx.load(str(folder.path / SINGLE))
        self._stored: dict[str, MXArray] = stored
        self._planned = {tensor.target: tensor for tensor in folder.planned.tensors}
        self.left = set(self._stored)
        self.taken: list[MXArray] = []

    def array(self, name: str, dtype: Any = None) -> MXArray:
        """A tensor as ``dtype``, by default the activations'."""
        self.left.discard(name)
        values = self._stored[name]
        if values.dtype != mx.uint32:
            values = values.astype(dtype or self.dtype)
        self.taken.append(values)
        return values

    def matrix(self, name: str, dtype: Any = None) -> Matrix:
        """The linear layer ``name``, with its bias if it has one."""
        planned = self._planned[f"{name}.weight"]
        arrays = {stored.rpartition(".")[2]: self.array(stored, dtype) for stored in planned.stored}
        if f"{name}.bias" in self._stored:
            arrays["bias"] = self.array(f"{name}.bias", dtype)
        return Matrix(**arrays, bits=planned.bits, group_size=planned.group_size)

    def layer_norm(self, name: str, eps: float = 1e-5) -> LayerNorm:
        """The affine layer norm ``name``."""
        return LayerNorm(self.array(f"{name}.weight"), self.array(f"{name}.bias"), eps)

    def rank(self, name: str) -> int:
        """How many axes the tensor ``name`` has before quantization."""
        return len(self._planned[name].shape)

    def has(self, name: str) -> bool:
        """Whether the folder holds a tensor ``name``."""
        return name in self._stored


def linear_attention(query: MXArray, key: MXArray, value: MXArray, heads: int) -> MXArray:
    """SANA's and DC-AE's attention, whose cost grows with the tokens and not with their square.

    ``relu(q) (relu(k)ᵀ v) / (relu(q) Σ relu(k) + 1e-15)``: the sums and the division in float32.

    Args:
        query: [B, T, heads · D].
        key: likewise.
        value: likewise.
        heads: how many.

    Returns:
        [B, T, heads · D], in the dtype of ``query``.
    """
    rows, tokens, width = query.shape

    def split(values: MXArray) -> MXArray:
        return values.astype(mx.float32).reshape(rows, tokens, heads, -1).transpose(0, 2, 1, 3)

    positive = mx.maximum(split(query), 0), mx.maximum(split(key), 0)
    summed = positive[1].transpose(0, 1, 3, 2) @ split(value)
    mixed = positive[0] @ summed
    total = positive[0] @ positive[1].sum(axis=2)[..., None]
    mixed = mixed / (total + _ATTENTION_EPS)
    return mixed.transpose(0, 2, 1, 3).reshape(rows, tokens, width).astype(query.dtype)
