"""The Mobile Conditioning Projector: language-model states to conditioning for the DiT.

Written after equations 1 to 4 of the Mobile-O paper (arXiv 2602.20161) and the names of the
released tensors. Where the release differs from the paper's text, the release is followed: a
Hardswish after the compression, and as many refinement blocks as the checkpoint holds (two).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.model_config import MCP, MCPConfig
from mobileo_export.reference import loading

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.reference.loading import TensorSource


class SeparableConv(nn.Module):
    """The local half of equation 3: mixes a token with its two neighbours, then the channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(dim, dim, 3, padding=1, groups=dim, bias=False)
        self.pointwise = nn.Conv1d(dim, dim, 1, bias=False)
        self.norm = nn.LayerNorm(dim)
        self.activation = nn.Hardswish()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[1, N, D] to [1, N, D]; the ends are padded with zeros."""
        mixed = self.pointwise(self.depthwise(x.transpose(1, 2))).transpose(1, 2)
        y: torch.Tensor = self.activation(self.norm(mixed))
        return y


class ChannelAttention(nn.Module):
    """The global half of equation 3: scales each channel by what its mean over tokens says."""

    def __init__(self, dim: int, squeezed: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(dim, squeezed, bias=False),
            nn.Hardswish(),
            nn.Linear(squeezed, dim, bias=False),
            nn.Hardsigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[1, N, D] to [1, N, D]. The mean counts every token: padding is not neutral."""
        scale: torch.Tensor = self.fc(x.mean(dim=1, keepdim=True))
        return x * scale


class SequenceRefiner(nn.Module):
    """Equation 3: Z ← LayerNorm(Z + Attention(Conv(Z)))."""

    def __init__(self, dim: int, squeezed: int) -> None:
        super().__init__()
        self.conv = SeparableConv(dim)
        self.channel_attn = ChannelAttention(dim, squeezed)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[1, N, D] to [1, N, D]."""
        y: torch.Tensor = self.norm(x + self.channel_attn(self.conv(x)))
        return y


class MobileConditioningProjector(nn.Module):
    """The whole projector. All tensors float32; any N."""

    layer_weights: nn.Parameter
    temperature: torch.Tensor

    def __init__(self, config: MCPConfig) -> None:
        super().__init__()
        dim = config.hidden_dim
        self.layer_weights = nn.Parameter(torch.empty(config.num_layers))
        self.register_buffer("temperature", torch.empty(()))
        self.input_compress = nn.Sequential(
            nn.Linear(config.input_dim, dim), nn.LayerNorm(dim), nn.Hardswish()
        )
        self.sequence_refiners = nn.ModuleList(
            SequenceRefiner(dim, config.channel_attention_dim)
            for _ in range(config.num_refinement_blocks)
        )
        self.output_proj = nn.Sequential(
            nn.Linear(dim, config.output_dim), nn.LayerNorm(config.output_dim)
        )

    def forward(self, stacked_hidden_states: torch.Tensor) -> torch.Tensor:
        """Conditioning for the DiT's cross-attention.

        Args:
            stacked_hidden_states: [1, K, N, d], the last K hidden states, oldest first.

        Returns:
            [1, N, C].
        """
        x: torch.Tensor = self.input_compress(self.fuse(stacked_hidden_states))  # equation 2
        for refiner in self.sequence_refiners:
            x = refiner(x)  # equation 3
        conditioning: torch.Tensor = self.output_proj(x)  # equation 4
        return conditioning

    def fuse(self, stacked_hidden_states: torch.Tensor) -> torch.Tensor:
        """Equation 1: the layers weighted by softmax(w / tau); [1, K, N, d] to [1, N, d]."""
        alpha = torch.softmax(self.layer_weights / self.temperature, dim=0)
        return (stacked_hidden_states * alpha.view(1, -1, 1, 1)).sum(dim=1)


def assemble(
    config: MCPConfig, source: TensorSource, weights: Weights
) -> MobileConditioningProjector:
    """The projector with the values of ``source``, which need not be a checkpoint."""
    names = {name: MCP + name for name in expected_tensors.mcp(config)}
    return loading.load(lambda: MobileConditioningProjector(config), names, source, weights)
