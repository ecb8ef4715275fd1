"""The components that MLX folders are made of beside the language model.

To add one: its entry here, ``assemble`` in its reference, and its model in ``runtimes/mlx`` with an
entry in ``runtimes/mlx/components.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlx import vision_encoder
from mobileo_export.artifacts.mlx.tensors import ComponentTensor, of_pixels, of_tokens
from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.diffusion_config import DiTConfig, VAEConfig
from mobileo_export.checkpoint.model_config import MCPConfig, VisionConfig
from mobileo_export.components import COMPONENTS

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import ModelConfig


@dataclass(frozen=True)
class FolderModel:
    """What the folder of one component is.

    Attributes:
        component: a name of ``components.COMPONENTS``.
        model_type: in its ``config.json``.
        config: the class of its dimensions.
        place: where those lie in a manifest's ``model``.
        tensors: of the dimensions, every tensor of the folder.
        layers: of the dimensions, how many layers that makes: checked before tensors are listed.
    """

    component: str
    model_type: str
    config: type
    place: tuple[str, ...]
    tensors: Callable[[Any], list[ComponentTensor]]
    layers: Callable[[Any], int]

    def of(self, model: ModelConfig) -> Any:
        """The component's dimensions."""
        return COMPONENTS[self.component].config(model)


MODELS = {
    model.component: model
    for model in (
        FolderModel(
            "vision_encoder",
            "mobileo_vision_encoder",
            VisionConfig,
            ("vision",),
            vision_encoder.tensors,
            lambda config: sum(stage.num_blocks for stage in config.stages),
        ),
        FolderModel(
            "mcp",
            "mobileo_mcp",
            MCPConfig,
            ("mcp",),
            lambda config: of_tokens(expected_tensors.mcp(config)),
            lambda config: config.num_refinement_blocks,
        ),
        FolderModel(
            "dit",
            "mobileo_dit",
            DiTConfig,
            ("diffusion", "dit"),
            lambda config: of_tokens(expected_tensors.dit(config)),
            lambda config: config.num_layers,
        ),
        FolderModel(
            "vae_decoder",
            "mobileo_vae_decoder",
            VAEConfig,
            ("diffusion", "vae"),
            lambda config: of_pixels(expected_tensors.vae_decoder(config)),
            lambda config: sum(config.decoder_layers_per_block),
        ),
    )
}
BY_TYPE = {model.model_type: model for model in MODELS.values()}
