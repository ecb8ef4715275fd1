"""Which tensors the folder of the VAE decoder holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.artifacts.mlx.tensors import ComponentTensor, convolution, plain
from mobileo_export.checkpoint import expected_tensors

if TYPE_CHECKING:
    from mobileo_export.checkpoint.diffusion_config import VAEConfig


def tensors(config: VAEConfig) -> list[ComponentTensor]:
    """Every tensor of a folder; convolutions of one pixel too have four axes."""
    return [
        convolution(name, shape) if len(shape) == 4 else plain(name, shape)
        for name, shape in expected_tensors.vae_decoder(config).items()
    ]
