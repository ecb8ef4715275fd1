"""The tensors of the diffusion transformer's folder."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mobileo_export.artifacts.mlx.tensors import ComponentTensor, convolution, linear, plain
from mobileo_export.checkpoint import expected_tensors

if TYPE_CHECKING:
    from mobileo_export.checkpoint.diffusion_config import DiTConfig
    from mobileo_export.checkpoint.safetensors_file import Shape

_TABLE = "scale_shift_table"


def tensors(config: DiTConfig) -> list[ComponentTensor]:
    """Each tensor of the checkpoint is one of the folder; most matrices are linear layers."""
    return [_made(name, shape) for name, shape in expected_tensors.dit(config).items()]


def _made(name: str, shape: Shape) -> ComponentTensor:
    if name.endswith(_TABLE) or len(shape) < 2:
        return plain(name, shape)
    # The depthwise kernels, and the patches of a transformer that has larger ones than a pixel.
    return linear(name, shape) if prod(shape[2:]) == 1 else convolution(name, shape)
