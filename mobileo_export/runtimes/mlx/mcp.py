"""The Mobile Conditioning Projector on MLX: ``reference/mcp.py`` has the equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import mlx.core as mx
from mlx import nn

from mobileo_export.runtimes.mlx.layers import LayerNorm, Matrix, MXArray, Tensors

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import MCPConfig


@dataclass(frozen=True)
class SequenceRefinerBlock:
    """Equation 3 of the paper: Z ← LayerNorm(Z + Attention(Conv(Z)))."""

    depthwise: MXArray
    pointwise: Matrix
    conv_norm: LayerNorm
    squeeze: Matrix
    expand: Matrix
    norm: LayerNorm

    def __call__(self, x: MXArray) -> MXArray:
        """[1, N, D] to [1, N, D]."""
        mixed = mx.conv1d(x, self.depthwise, padding=1, groups=x.shape[-1])
        mixed = nn.hardswish(self.conv_norm(self.pointwise(mixed)))
        told = self.expand(nn.hardswish(self.squeeze(mixed.mean(axis=1, keepdims=True))))
        scale = mx.clip(told / 6 + 0.5, 0, 1)  # hard sigmoid
        return self.norm(x + mixed * scale)


class MCPModel:
    """The whole projector, loaded."""

    def __init__(self, config: MCPConfig, tensors: Tensors) -> None:
        """Of the folder's tensors; nothing is computed yet."""
        weights = tensors.array("layer_weights", mx.float32)
        weights = weights / tensors.array("temperature", mx.float32)
        self._dtype = tensors.dtype
        self._alpha = mx.softmax(weights).reshape(1, -1, 1, 1)
        self._compress = tensors.matrix("input_compress.0"), tensors.layer_norm("input_compress.1")
        self._refiners = [
            _refiner(f"sequence_refiners.{index}.", tensors)
            for index in range(config.num_refinement_blocks)
        ]
        self._output = tensors.matrix("output_proj.0"), tensors.layer_norm("output_proj.1")

    def __call__(self, stacked_hidden_states: MXArray) -> MXArray:
        """The last K hidden states [1, K, N, d] to conditioning [1, N, C]."""
        fused = (stacked_hidden_states.astype(mx.float32) * self._alpha).sum(axis=1)
        compress, norm = self._compress
        x = nn.hardswish(norm(compress(fused.astype(self._dtype))))
        for refiner in self._refiners:
            x = refiner(x)
        project, norm = self._output
        return norm(project(x))


def _refiner(at: str, tensors: Tensors) -> SequenceRefinerBlock:
    return SequenceRefinerBlock(
        tensors.array(f"{at}conv.depthwise.weight"),
        tensors.matrix(f"{at}conv.pointwise"),
        tensors.layer_norm(f"{at}conv.norm"),
        tensors.matrix(f"{at}channel_attn.fc.0"),
        tensors.matrix(f"{at}channel_attn.fc.2"),
        tensors.layer_norm(f"{at}norm"),
    )
