"""Stage 0a: the DC-AE learns to give back pictures, with latents that bear a diffusion model."""

from __future__ import annotations

import torch
from torch import nn

from miniature import lessons, modules, pictures
from miniature.sizes import Stage
from miniature.trainer import Chance, Workers
from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.evaluation import judge, requirements, scenes
from mobileo_export.pipelines.images import to_pixels

# Latents are kept near unit size and blurred by this much, so that small errors of what is drawn
# in them later stay small in the picture.
_BLUR = 0.15
_SIZE_WEIGHT = 0.01


class Autoencoding:
    """What stage 0a descends: absolute and squared error, and the size of the latents."""

    name = "vae"

    def __init__(self, model: ModelConfig, stage: Stage, workers: Workers) -> None:
        self.stage = stage
        self.trained: nn.Module = modules.autoencoder(model)
        self._batch = stage.batch // workers.count

    def losses(self, step: int, chance: Chance) -> dict[str, torch.Tensor]:
        """One batch."""
        del step
        drawn = [lessons.trainable(chance.choose) for _ in range(self._batch)]
        wanted = pictures.targets(drawn)
        latent = self.trained.encode(wanted, return_dict=False)[0]  # type: ignore[operator]
        blur = torch.randn(latent.shape, generator=chance.noise) * _BLUR
        given = self.trained.decode(latent + blur, return_dict=False)[0]  # type: ignore[operator]
        error = given - wanted
        absolute, squared = error.abs().mean(), error.square().mean()
        size = (latent.square().mean(dim=(0, 2, 3)) - 1).square().mean()
        return {
            "loss": absolute + squared + _SIZE_WEIGHT * size,
            "absolute": absolute.detach(),
            "squared": squared.detach(),
            "size": size.detach(),
        }


@torch.no_grad()
def judged(vae: nn.Module, drawn: list[scenes.Scene]) -> float:
    """The share of pictures that the judge still reads right after they went through the VAE."""
    latent = pictures.latents(vae, drawn)
    right = 0
    for index, scene in enumerate(drawn):
        image = vae.decode(latent[index : index + 1], return_dict=False)[0]  # type: ignore[operator]
        sight = judge.look(to_pixels(image.numpy()))
        right += not requirements.failures(requirements.of_scene(scene), sight)
    return right / len(drawn)
