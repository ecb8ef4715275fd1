"""The DC-AE decoder: the ``Decoder`` of diffusers' ``AutoencoderDC``, without its encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mobileo_export.checkpoint import expected_tensors
from mobileo_export.reference import loading

if TYPE_CHECKING:
    from mobileo_export.checkpoint.diffusion_config import VAEConfig
    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.reference.loading import TensorSource

PREFIX = "model.vae.decoder."


class VAEDecoder(torch.nn.Module):
    """Latent to picture. All tensors float32."""

    def __init__(self, decoder: torch.nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Decode one latent, already divided by the scaling factor.

        Args:
            latent: [1, C, S, S].

        Returns:
            [1, 3, S·f, S·f] in about -1 to 1, with the spatial factor f (32 in the release).
        """
        image: torch.Tensor = self.decoder(latent)
        return image


def assemble(config: VAEConfig, source: TensorSource, weights: Weights) -> VAEDecoder:
    """The decoder with the values of ``source``, which need not be a checkpoint."""

    def construct() -> VAEDecoder:
        from diffusers.models.autoencoders.autoencoder_dc import Decoder

        return VAEDecoder(
            Decoder(
                in_channels=config.in_channels,
                latent_channels=config.latent_channels,
                attention_head_dim=config.attention_head_dim,
                block_type=config.decoder_block_types,
                block_out_channels=config.decoder_block_out_channels,
                layers_per_block=config.decoder_layers_per_block,
                qkv_multiscales=config.decoder_qkv_multiscales,
                upsample_block_type=config.upsample_block_type,
            )
        )

    names = {f"decoder.{name}": PREFIX + name for name in expected_tensors.vae_decoder(config)}
    return loading.load(construct, names, source, weights)
