"""The SANA diffusion transformer: diffusers' ``SanaTransformer2DModel``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from mobileo_export.checkpoint import expected_tensors
from mobileo_export.reference import loading

if TYPE_CHECKING:
    from mobileo_export.checkpoint.diffusion_config import DiTConfig
    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.reference.loading import TensorSource

PREFIX = "model.dit."


class DiT(torch.nn.Module):
    """One denoising step. All tensors float32."""

    def __init__(self, transformer: torch.nn.Module) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(
        self,
        latent: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor,
    ) -> torch.Tensor:
        """The flow velocity, noise minus image.

        Args:
            latent: [1, C, S, S].
            timestep: [1], 0 to 1000.
            encoder_hidden_states: [1, N, caption channels].
            encoder_attention_mask: [1, N], 1 for a token that takes part and 0 for one that does
                not (diffusers turns it into an additive bias of -10000).

        Returns:
            [1, C, S, S].
        """
        output: tuple[torch.Tensor] = self.transformer(
            latent,
            encoder_hidden_states,
            timestep,
            encoder_attention_mask=encoder_attention_mask,
            return_dict=False,
        )
        return output[0]


def assemble(config: DiTConfig, source: TensorSource, weights: Weights) -> DiT:
    """The DiT with the values of ``source``, which need not be a checkpoint."""

    def construct() -> DiT:
        from diffusers import SanaTransformer2DModel

        arguments: dict[str, Any] = asdict(config)
        return DiT(SanaTransformer2DModel(**arguments))

    names = {f"transformer.{name}": PREFIX + name for name in expected_tensors.dit(config)}
    return loading.load(construct, names, source, weights)
