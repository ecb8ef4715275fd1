"""Trace a PyTorch reference into TorchScript without paying for a full-resolution forward pass.

``torch.jit.trace`` executes the module, and 1024-pixel convolutions are most of a naive export's
time. Shapes stay symbolic in a trace, so a smaller picture records the same graph as long as it
takes the same branches; the tests compare the packages byte for byte.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.components import SEQUENCE, ComponentSpec

if TYPE_CHECKING:
    import torch

_DIT_SIDE = 4
_VISION_TOKENS_A_SIDE = 2


def small_model(model: ModelConfig) -> ModelConfig:
    """The same model at the smallest pictures that take the same branches.

    The only size-dependent branch is DC-AE's: diffusers uses linear attention where a feature map
    has more pixels than a head has channels, quadratic attention otherwise.
    """
    head_dim = model.diffusion.vae.attention_head_dim
    full = model.diffusion.dit.sample_size
    side = next((s for s in range(_DIT_SIDE, full) if s * s > head_dim), full)
    if full * full <= head_dim:
        side = full
    image_size = min(model.vision.image_size, model.vision.stride * _VISION_TOKENS_A_SIDE)
    return replace(
        model,
        vision=replace(model.vision, image_size=image_size),
        diffusion=replace(model.diffusion, dit=replace(model.diffusion.dit, sample_size=side)),
    )


def trace(
    module: torch.nn.Module, spec: ComponentSpec, model: ModelConfig, length: int = SEQUENCE.low
) -> torch.jit.ScriptModule:
    """Record ``module`` on example inputs of ``model``'s sizes and sequence length ``length``."""
    import torch

    arrays = spec.example_inputs(model, N=length)
    inputs = tuple(torch.from_numpy(array) for array in arrays.values())
    jit: Any = torch.jit  # untyped
    with torch.no_grad():
        traced: torch.jit.ScriptModule = jit.trace(module, inputs, check_trace=False)
    return traced.eval()
