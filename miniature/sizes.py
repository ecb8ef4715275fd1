"""The miniature's dimensions: the released structure at sizes that a CPU trains."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mobileo_export.checkpoint.diffusion_config import DiTConfig
from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.random_checkpoint import models


def model() -> ModelConfig:
    """The shipped size; the latent's scaling factor is measured later (:func:`scaled`)."""
    tiny = models.model("tiny")
    return replace(
        tiny,
        vision=replace(tiny.vision, clip_dim=None),
        mcp=replace(tiny.mcp, hidden_dim=256, channel_attention_dim=64),
        diffusion=replace(
            tiny.diffusion,
            dit=DiTConfig(
                sample_size=8,
                num_layers=6,
                num_attention_heads=4,
                attention_head_dim=32,
                num_cross_attention_heads=4,
                cross_attention_head_dim=32,
                cross_attention_dim=128,
                caption_channels=192,
                in_channels=8,
                out_channels=8,
            ),
        ),
    )


def scaled(config: ModelConfig, scaling_factor: float) -> ModelConfig:
    """With a measured scaling factor of the VAE's latents."""
    vae = replace(config.diffusion.vae, scaling_factor=scaling_factor)
    return replace(config, diffusion=replace(config.diffusion, vae=vae))


@dataclass(frozen=True)
class Stage:
    """How one stage is trained. ``extra`` are the numbers that only this stage knows."""

    steps: int
    batch: int  # in all, divided among the workers
    learning_rate: float
    last_rate: float  # at the end of its cosine
    warmup: int = 100
    weight_decay: float = 0.01
    average: float = 0.0  # decay of the moving average of the weights; 0 keeps none


@dataclass(frozen=True)
class Plan:
    """All that decides the trained weights, the code excepted."""

    vae: Stage
    vlm: Stage
    answers: Stage  # the second half of 0b, on the cached features of the finished tower
    align: Stage
    tune: Stage
    joint: Stage
    scenes: int  # drawn once and kept as latents and features
    edits: int
    judged: int  # items of each gate, about; four times as many pictures of the first
    seed: int = 0
    workers: int = 2  # processes of a stage that does not run beside another


FULL = Plan(
    vae=Stage(2600, 16, 1.5e-3, 5e-5, average=0.998),
    vlm=Stage(1050, 24, 2e-3, 2e-4),
    answers=Stage(2000, 32, 1e-3, 2e-5),
    align=Stage(1950, 48, 1.2e-3, 9e-4, average=0.999),
    tune=Stage(5000, 48, 9e-4, 1e-5, average=0.999),
    joint=Stage(450, 48, 2e-4, 1e-5, average=0.99),
    scenes=12000,
    edits=6000,
    judged=120,
)
SMOKE = Plan(
    vae=Stage(4, 2, 1e-3, 1e-4, warmup=1, average=0.9),
    vlm=Stage(4, 2, 1e-3, 1e-4, warmup=1),
    answers=Stage(4, 2, 1e-3, 1e-4, warmup=1),
    align=Stage(4, 4, 1e-3, 1e-3, warmup=1, average=0.9),
    tune=Stage(4, 4, 1e-3, 1e-4, warmup=1, average=0.9),
    joint=Stage(4, 4, 1e-3, 1e-4, warmup=1, average=0.9),
    scenes=12,
    edits=6,
    judged=2,
    workers=1,
)
PLANS = {"full": FULL, "smoke": SMOKE}
