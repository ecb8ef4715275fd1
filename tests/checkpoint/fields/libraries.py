"""What the libraries make of raw configuration files, and what our references make of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mobileo_export import recipe
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.components import COMPONENTS
from mobileo_export.pipelines.schedule import NumpySolver, Solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from mobileo_export.checkpoint.folder import Checkpoint
    from tests.checkpoint.fields.variants import Variants

Outputs = list[torch.Tensor]
CONFIG, TRANSFORMER, VAE = "config.json", "transformer/config.json", "vae/config.json"
SCHEDULER = "scheduler/scheduler_config.json"
CLOSE = 2e-5


def under(stored: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    found = {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}
    assert found
    return found


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


IDS = torch.randint(0, 500, (1, 40), generator=torch.Generator().manual_seed(1))


def their_language_model(raw: dict[str, Any], stored: dict[str, torch.Tensor]) -> Outputs:
    """Last hidden states and logits of transformers' model, built from the raw configuration."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    network = Qwen2ForCausalLM(Qwen2Config(**raw)).eval()
    network.load_state_dict({name: stored[name] for name in network.state_dict()})
    found = network(IDS, output_hidden_states=True, return_dict=True)
    return [torch.stack(found.hidden_states[-4:], 1), found.logits[:, -1]]


def our_language_model(checkpoint: Checkpoint) -> Outputs:
    return list(COMPONENTS["llm"].reference(checkpoint, "released")(IDS.int()))


DIT_INPUTS = (random(1, 8, 8, 8), torch.tensor([500.0]), random(1, 9, 192), torch.ones(1, 9))


def their_dit(raw: dict[str, Any], stored: dict[str, torch.Tensor]) -> Outputs:
    from diffusers import SanaTransformer2DModel

    network = SanaTransformer2DModel.from_config(raw).eval()
    network.load_state_dict(under(stored, "model.dit."))
    latent, timestep, states, mask = DIT_INPUTS
    found = network(latent, states, timestep, encoder_attention_mask=mask, return_dict=False)
    return [found[0]]


def our_dit(checkpoint: Checkpoint) -> Outputs:
    return [COMPONENTS["dit"].reference(checkpoint, "released")(*DIT_INPUTS)]


LATENT = random(1, 8, 8, 8)


def their_decoder(raw: dict[str, Any], stored: dict[str, torch.Tensor]) -> Outputs:
    from diffusers import AutoencoderDC

    network = AutoencoderDC.from_config(raw).eval()
    network.decoder.load_state_dict(under(stored, "model.vae.decoder."))
    return [network.decode(LATENT / network.config.scaling_factor, return_dict=False)[0]]


def our_decoder(checkpoint: Checkpoint) -> Outputs:
    scale = checkpoint.model.diffusion.vae.scaling_factor
    return [COMPONENTS["vae_decoder"].reference(checkpoint, "released")(LATENT / scale)]


STEPS = (2, 14, 20)


def their_schedule(raw: dict[str, Any], stored: dict[str, torch.Tensor]) -> Outputs:
    """Sigmas, timesteps and the latents that a made-up velocity leads to."""
    from diffusers import DPMSolverMultistepScheduler

    outputs = []
    for steps in STEPS:
        scheduler = DPMSolverMultistepScheduler.from_config(raw)
        scheduler.set_timesteps(steps)
        latent = random(1, 2, 4, 4)
        for timestep in scheduler.timesteps:
            velocity = torch.sin(latent * 1.3 + timestep / 700)
            latent = scheduler.step(velocity, timestep, latent, return_dict=False)[0]
        outputs += [scheduler.sigmas, scheduler.timesteps.float(), latent]
    return outputs


def our_schedule(checkpoint: Checkpoint, solver: Callable[..., Solver] = NumpySolver) -> Outputs:
    tokens = tokenizer_files.special_ids(checkpoint.path)
    sampling = recipe.build(checkpoint.model, tokens).sampling
    outputs = []
    for steps in STEPS:
        ours = solver(sampling, steps)
        latent = random(1, 2, 4, 4).numpy()
        for timestep in ours.timesteps:
            velocity = torch.sin(torch.from_numpy(latent) * 1.3 + timestep / 700).numpy()
            latent = ours.step(velocity, latent)
        sigmas, timesteps = (np.array(row, np.float32) for row in (ours.sigmas, ours.timesteps))
        outputs += [torch.from_numpy(array) for array in (sigmas, timesteps, latent)]
    return outputs


THEIRS = {
    CONFIG: their_language_model,
    TRANSFORMER: their_dit,
    VAE: their_decoder,
    SCHEDULER: their_schedule,
}
OURS = {
    CONFIG: our_language_model,
    TRANSFORMER: our_dit,
    VAE: our_decoder,
    SCHEDULER: our_schedule,
}


def distance(found: Outputs, expected: Outputs) -> float:
    """The largest difference, infinite where shapes differ or a number is missing."""
    if [t.shape for t in found] != [t.shape for t in expected]:
        return float("inf")
    worst = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
    return float("inf") if math.isnan(worst) else worst


def theirs(file: str, variants: Variants, stored: dict[str, torch.Tensor]) -> Outputs | None:
    """What the library makes of the file as it stands; None where it refuses."""
    try:
        return THEIRS[file](variants.raw(file), stored)
    except Exception:  # whatever a library raises for a value that it cannot build
        return None
