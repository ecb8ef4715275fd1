"""Norms and scales that conversion multiplies into the convolution before them.

Computed in float32 as coremltools computes it (``fuse_conv_batchnorm``, ``fuse_conv_scale``), to
the bit: what rounds a product to a grid has to start from that very product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.stored_values.expected import FOLDING, ConstantRecipe, Expected, Read
from mobileo_export.reference.names import convolution_before, module_at

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

_STATISTICS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Fold:
    """A convolution with what follows it; names are those of the reference's state.

    Attributes:
        module: path of the norm, or of the module whose ``gamma`` scales each channel.
        weight: of the convolution.
        bias: of the convolution, None where it has none.
        shape: of ``weight``, channels first.
        epsilon: of the norm; None of a scale.
    """

    module: str
    weight: str
    bias: str | None
    shape: tuple[int, ...]
    epsilon: float | None

    def recipes(self) -> Iterator[ConstantRecipe]:
        """Of the folded weight, and of the folded bias where there is one."""
        norm = self.epsilon is not None
        parts = self._parts
        yield ConstantRecipe(
            "weight", (self.weight, *parts), int(np.prod(self.shape)), self._make_weight
        )
        if norm or self.bias is not None:
            names = parts if self.bias is None else (self.bias, *parts)
            yield ConstantRecipe("bias", names, self.shape[0], self._make_bias)

    def undone(self, product: NDArray[np.float32], read: Read) -> dict[str, NDArray[Any]]:
        """Tensors with which the reference's modules compute with ``product`` as their weight.

        The norm or the scale becomes a multiplication by 1 and keeps the folded bias.
        """
        ones = np.ones(self.shape[0], np.float32)
        state = {self.weight: product.reshape(self.shape)}
        if self.epsilon is None:
            (gamma,) = self._parts
            state[gamma] = np.ones_like(read(gamma))
            if self.bias is not None:
                state[self.bias] = self._make_bias(read).values
            return state
        gain, shift, mean, variance = self._parts
        state[gain], state[mean] = ones, np.zeros_like(ones)
        state[variance] = ones - np.float32(self.epsilon)
        state[shift] = self._make_bias(read).values
        if self.bias is not None:
            state[self.bias] = np.zeros_like(ones)
        return state

    @property
    def _parts(self) -> tuple[str, ...]:
        names = ("gamma",) if self.epsilon is None else _STATISTICS
        return tuple(f"{self.module}.{name}" for name in names)

    def _scale(self, read: Read) -> NDArray[np.float32]:
        if self.epsilon is None:
            return read(self._parts[0]).reshape(-1)
        gamma, _, _, variance = (read(part) for part in self._parts)
        scale: NDArray[np.float32] = gamma / np.sqrt(variance + np.float32(self.epsilon))
        return scale

    def _make_weight(self, read: Read) -> Expected:
        names = (self.weight, *self._parts)
        raw, scale = read(self.weight), self._scale(read)
        broadcast = (-1, *(1,) * (len(self.shape) - 1))
        made = raw * scale.reshape(broadcast)
        stale = None
        if self.epsilon is not None:
            stale = raw * (read(names[1]) / np.sqrt(1 + self.epsilon)).reshape(broadcast)
        return Expected("weight", names, made, FOLDING * np.abs(made.astype(np.float64)), stale)

    def _make_bias(self, read: Read) -> Expected:
        names = self._parts if self.bias is None else (self.bias, *self._parts)
        scale = self._scale(read)
        before = np.zeros_like(scale) if self.bias is None else read(self.bias)
        if self.epsilon is None:
            made = before * scale
            return Expected("bias", names, made, FOLDING * np.abs(made.astype(np.float64)))
        gamma, beta, mean, _ = (read(part) for part in self._parts)
        made = scale * (before - mean) + beta
        # Terms that cancel leave the rounding of what they were.
        terms = (np.abs(before) + np.abs(mean)) * np.abs(scale) + np.abs(beta)
        stale = before * (gamma / np.sqrt(1 + self.epsilon)) + beta
        return Expected("bias", names, made, FOLDING * terms.astype(np.float64), stale)


def find(root: torch.nn.Module, module: str) -> Fold | None:
    """What is folded into the convolution before ``module``, if it is such a norm or scale."""
    owner = module_at(root, module)
    norm = hasattr(owner, "running_var") and hasattr(owner, "running_mean")
    if not norm and not hasattr(owner, "gamma"):
        return None
    name = convolution_before(root, module)
    conv: Any = module_at(root, name) if name else None
    if conv is None:
        return None
    bias = None if conv.bias is None else f"{name}.bias"
    epsilon = float(owner.eps) if norm else None
    return Fold(module, f"{name}.weight", bias, tuple(conv.weight.shape), epsilon)
