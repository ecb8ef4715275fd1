"""The networks under training: the classes of ``mobileo_export.reference``, with random values.

Each knows under which names of the released checkpoint its tensors are stored.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.model_config import MCP, VISION, ModelConfig, VisionConfig
from mobileo_export.evaluation import scenes
from mobileo_export.reference import dit, llm, mcp, vision_encoder
from mobileo_export.reference.timm_names import timm_name

Tensors = dict[str, torch.Tensor]
VAE = "model.vae."
# What the vision tower is told of each cell of its grid while it is trained.
CELL_LABELS = len(scenes.COLORS) + len(scenes.SHAPES) + len(scenes.BACKGROUNDS)
# timm starts at 1e-5, which suits hundreds of epochs.
_LAYER_SCALE = 0.1
_SHARPER = 3.0
# Of embeddings (Qwen2: 0.02). What may follow *circle* may follow *square*, so words that begin
# nearly equal stay so, and the MCP cannot tell them apart.
_EMBEDDING = 0.5


class VisionLanguage(nn.Module):
    """Vision tower in the form of training, image projector and language model."""

    def __init__(self, model: ModelConfig, image_token_id: int) -> None:
        super().__init__()
        self.vision = vision_encoder.construct(model.vision, inference_mode=False)
        for name, parameter in self.vision.named_parameters():
            if "layer_scale" in name:
                nn.init.constant_(parameter, _LAYER_SCALE)
        self.cells = nn.Linear(model.vision.feature_dim, CELL_LABELS)
        self.language = language(model, lambda: image_token_id)


class Drawer(nn.Module):
    """MCP and DiT."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        from diffusers import SanaTransformer2DModel

        self.mcp = mcp.MobileConditioningProjector(model.mcp)
        with torch.no_grad():
            layers = model.mcp.num_layers
            self.mcp.layer_weights.copy_(torch.linspace(0.8, 1.2, layers))
            self.mcp.temperature.fill_(2.0)
        self.dit = SanaTransformer2DModel(**asdict(model.diffusion.dit))
        with torch.no_grad():
            for block in self.dit.transformer_blocks:
                # Three words in forty tell pictures apart: attention that begins even drowns them.
                block.attn2.to_q.weight *= _SHARPER
                block.attn2.to_k.weight *= _SHARPER
        self.dit.to(memory_format=torch.channels_last)  # a twelfth faster

    def conditioning(self, hidden: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        """MCP for prompts of different lengths: [B, K, N, d] to [B, N, C].

        Padding is not neutral to the MCP, so prompts of one length go through it together.
        """
        output = hidden.new_zeros(
            hidden.shape[0], hidden.shape[2], self.dit.config.caption_channels
        )
        for length in sorted(set(lengths)):
            rows = torch.tensor([i for i, n in enumerate(lengths) if n == length])
            output[rows, :length] = self.mcp(hidden[rows, :, :length])
        return output

    def forward(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        hidden: torch.Tensor,
        lengths: list[int],
    ) -> torch.Tensor:
        """The velocity of noisy ``latents`` [B, C, S, S]."""
        mask = torch.arange(hidden.shape[2])[None] < torch.tensor(lengths)[:, None]
        velocity: torch.Tensor = self.dit(
            latents,
            self.conditioning(hidden, lengths),
            timesteps,
            encoder_attention_mask=mask.float(),
            return_dict=False,
        )[0]
        return velocity


def autoencoder(model: ModelConfig) -> nn.Module:
    """The whole DC-AE; the scaling factor plays no part in it."""
    from diffusers import AutoencoderDC

    values: dict[str, Any] = asdict(model.diffusion.vae)
    built: nn.Module = AutoencoderDC(**values)
    return built


def language(model: ModelConfig, image_token_id: Callable[[], int]) -> llm.LanguageModel:
    """LLM and projector."""
    built = llm.construct(model.llm, model.vision.feature_dim, model.mcp.num_layers, image_token_id)
    nn.init.normal_(built.language_model.model.embed_tokens.weight, std=_EMBEDDING)
    return built


def fold(trained: vision_encoder.VisionEncoder) -> vision_encoder.VisionEncoder:
    """The tower in inference form: its branches folded into single convolutions."""
    folded = copy.deepcopy(trained).eval()
    for module in folded.modules():
        fold_branches = getattr(module, "reparameterize", None)
        if fold_branches is not None:
            fold_branches()
    return folded.requires_grad_(False)


def vae_tensors(vae: nn.Module) -> Tensors:
    """By their names in a checkpoint."""
    return {VAE + name: tensor for name, tensor in vae.state_dict().items()}


def language_tensors(module: llm.LanguageModel, model: ModelConfig) -> Tensors:
    """By their names in a checkpoint."""
    state = module.state_dict()
    return {stored: state[name] for name, stored in llm.state_names(model.llm).items()}


def vision_tensors(folded: vision_encoder.VisionEncoder, config: VisionConfig) -> Tensors:
    """By their names in a checkpoint; ``folded`` is in inference form."""
    state = folded.state_dict()
    names = expected_tensors.vision_encoder(config)
    return {VISION + n: state["tower." + timm_name(n, config)] for n in names}


def drawer_tensors(drawer: Drawer) -> Tensors:
    """By their names in a checkpoint."""
    stored = {MCP + name: tensor for name, tensor in drawer.mcp.state_dict().items()}
    return stored | {dit.PREFIX + name: tensor for name, tensor in drawer.dit.state_dict().items()}
