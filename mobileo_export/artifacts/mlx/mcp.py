"""The tensors of the Mobile Conditioning Projector's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.artifacts.mlx.tensors import ComponentTensor, convolution, linear, plain
from mobileo_export.checkpoint import expected_tensors

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import MCPConfig


def tensors(config: MCPConfig) -> list[ComponentTensor]:
    """Each tensor of the checkpoint is one of the folder."""
    return [_made(name, shape) for name, shape in expected_tensors.mcp(config).items()]


def _made(name: str, shape: tuple[int, ...]) -> ComponentTensor:
    if name.endswith(".depthwise.weight"):
        return convolution(name, shape)
    return linear(name, shape) if len(shape) >= 2 else plain(name, shape)
