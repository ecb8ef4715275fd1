"""Every dimension of a Mobile-O model, derived from its configuration and its tensors.

The language model's sizes come from ``config.json``; the vision tower's and the projector's from
the shapes of their tensors, because no field describes them; the DiT's and the VAE's from the
diffusers configuration that ``diffusion_name_or_path`` names (``diffusion_config``). What becomes
of every other field, ``fields`` says.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint.fields import FILES, check, reading
from mobileo_export.checkpoint.fields.reading import integer, number
from mobileo_export.checkpoint.safetensors_file import Shape
from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint.diffusion_config import DiffusionConfig

VISION = "model.vision_tower.vision_tower.model."
PROJECTOR = "model.mm_projector."
MCP = "model.diffusion_connector.fusion."
VISION_HEAD_DIM = 32


@dataclass(frozen=True)
class LanguageModelConfig:
    """A Qwen2 decoder. ``tie_word_embeddings`` tells what the tensors are, not what a flag says."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int
    tie_word_embeddings: bool
    rms_norm_eps: float
    rope_theta: float
    max_position_embeddings: int

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads


@dataclass(frozen=True)
class VisionStage:
    """One FastViT stage: optional downsampling, optional position encoding, then blocks."""

    dim: int
    num_blocks: int
    attention: bool
    downsample: bool
    position_encoding: bool


@dataclass(frozen=True)
class VisionConfig:
    """FastViTHD in inference form. ``head_dim`` of its attention is always 32."""

    image_size: int
    stages: tuple[VisionStage, ...]
    feature_dim: int
    squeeze_dim: int
    mlp_ratio: int
    clip_dim: int | None  # width of the unused CLIP head, None when the checkpoint has none

    @property
    def stride(self) -> int:
        """Pixels a side of one output token: 4 in the stem, 2 a downsampling."""
        return 4 << sum(stage.downsample for stage in self.stages)

    @property
    def num_tokens(self) -> int:
        """Image tokens M of one picture."""
        return (self.image_size // self.stride) ** 2


@dataclass(frozen=True)
class MCPConfig:
    """The Mobile Conditioning Projector (paper, equations 1 to 4)."""

    num_layers: int  # K, how many of the last hidden states are fused
    input_dim: int
    hidden_dim: int
    output_dim: int
    num_refinement_blocks: int
    channel_attention_dim: int


@dataclass(frozen=True)
class ModelConfig:
    """All dimensions of one checkpoint, plus what its configuration gets wrong.

    ``end_token_ids`` are those that its configuration names, the tokenizer's not among them.
    """

    llm: LanguageModelConfig
    vision: VisionConfig
    mcp: MCPConfig
    diffusion: DiffusionConfig
    end_token_ids: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()

    def stated(self) -> dict[str, Any]:
        """Plain data, as a manifest states it: the end tokens stand in its recipe."""
        content = {**asdict(self), "warnings": list(self.warnings)}
        del content["end_token_ids"]
        return content

    @property
    def image_size(self) -> int:
        """Pixels a side of a generated image."""
        return self.diffusion.dit.sample_size * self.diffusion.vae.spatial_factor


def derive(
    config: Mapping[str, Any],
    shapes: Mapping[str, Shape],
    diffusion: DiffusionConfig,
    generation: Mapping[str, Any] | None = None,
) -> ModelConfig:
    """Derive the dimensions from ``config.json`` and the shapes of the top-level tensors.

    ``generation`` is ``generation_config.json``, where there is one.

    Raises:
        CheckpointError: a field or a tensor that fixes a dimension is missing or contradicts
            another, or a field asks for what cannot be built.
    """
    warnings = check("config.json", config, FILES["config.json"])
    reading.check_marker(config)
    reading.check_padding(config, warnings)
    llm = _language_model(config, shapes, warnings)
    mcp = _projector(config, shapes, warnings)
    if mcp.input_dim != llm.hidden_size:
        raise CheckpointError(
            f"{MCP}input_compress.0.weight takes {mcp.input_dim} channels but hidden_size is "
            f"{llm.hidden_size}; the tensors come from another model"
        )
    if mcp.num_layers > llm.num_hidden_layers:
        raise CheckpointError(
            f"vlm_num_layers is {mcp.num_layers} but the language model has only "
            f"{llm.num_hidden_layers} layers"
        )
    if mcp.output_dim != diffusion.dit.caption_channels:
        raise CheckpointError(
            f"{MCP}output_proj gives {mcp.output_dim} channels but the DiT expects "
            f"{diffusion.dit.caption_channels} (caption_channels in transformer/config.json); "
            "diffusion_name_or_path names another model"
        )
    vision = _vision(config, shapes)
    generation = generation or {}
    warnings += check("generation_config.json", generation, FILES["generation_config.json"])
    ends = reading.end_tokens(config, generation, llm.vocab_size)
    return ModelConfig(llm, vision, mcp, diffusion, ends, tuple(warnings))


def _language_model(
    config: Mapping[str, Any], shapes: Mapping[str, Shape], warnings: list[str]
) -> LanguageModelConfig:
    vocab_size, hidden_size = _shape(shapes, "model.embed_tokens.weight", 2)
    if vocab_size != integer(config, "vocab_size", vocab_size):
        warnings.append(
            f"config.json says vocab_size {config['vocab_size']}, "
            f"the embedding table has {vocab_size} rows; the table is used"
        )
    tied = "lm_head.weight" not in shapes
    flag = reading.boolean(config, "tie_word_embeddings", tied)
    if flag != tied:
        warnings.append(
            f"config.json says tie_word_embeddings {str(flag).lower()}, but lm_head.weight is "
            f"{'absent' if tied else 'stored'}; the tensors are believed"
        )
    if hidden_size != config.get("hidden_size", hidden_size):
        raise CheckpointError(
            f"config.json says hidden_size {config['hidden_size']!r}, the embedding table has "
            f"{hidden_size} columns; config.json and weights come from different models"
        )
    pattern = re.compile(r"model\.layers\.(\d{1,4})\.")
    stored_layers = len({found[1] for name in shapes if (found := pattern.match(name))})
    layers = integer(config, "num_hidden_layers")
    if layers != stored_layers:
        raise CheckpointError(
            f"config.json says num_hidden_layers {layers}, but {stored_layers} layers are stored; "
            "config.json and weights come from different models"
        )
    heads = integer(config, "num_attention_heads")
    key_value_heads = integer(config, "num_key_value_heads")
    if hidden_size % heads or heads % key_value_heads:
        raise CheckpointError(
            f"config.json: {heads} attention heads and {key_value_heads} key-value heads do not "
            f"divide a hidden size of {hidden_size}"
        )
    reading.check_head_dim(config, hidden_size, heads)
    longest = integer(config, "max_position_embeddings", 32768)
    reading.check_windows(config, layers, longest)
    return LanguageModelConfig(
        hidden_size=hidden_size,
        intermediate_size=integer(config, "intermediate_size"),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        vocab_size=vocab_size,
        tie_word_embeddings=tied,
        rms_norm_eps=number(config, "rms_norm_eps", 1e-6),
        rope_theta=reading.rope_theta(config, warnings),
        max_position_embeddings=longest,
    )


def _vision(config: Mapping[str, Any], shapes: Mapping[str, Shape]) -> VisionConfig:
    name = str(config.get("mm_vision_tower", ""))
    match = re.search(r"_(\d{2,4})$", name)
    if match is None:
        raise CheckpointError(
            f"config.json: mm_vision_tower {name!r} does not end in an image size "
            "(as mobileclip_l_1024 does)"
        )
    items: dict[int, dict[str, Shape]] = {}
    for key, shape in shapes.items():
        if key.startswith(VISION + "network."):
            index, _, rest = key[len(VISION + "network.") :].partition(".")
            if index.isascii() and index.isdigit() and len(index) < 5:
                items.setdefault(int(index), {})[rest] = shape
    stages: list[VisionStage] = []
    downsample = position = False
    mlp_ratio = 0
    for place in sorted(items):
        item = items[place]
        if any(key.startswith("proj.") for key in item):
            downsample = True
        elif "reparam_conv.weight" in item:
            position = True
        else:
            prefix = f"{VISION}network.{place}."
            expanded, dim = _shape(shapes, f"{prefix}0.convffn.fc1.weight", 4)[:2]
            mlp_ratio = mlp_ratio or expanded // dim
            blocks = {key.partition(".")[0] for key in item}
            attention = "0.token_mixer.qkv.weight" in item
            stages.append(VisionStage(dim, len(blocks), attention, downsample, position))
            downsample = position = False
    if not stages:
        raise CheckpointError(f"no vision tower: no tensor is named {VISION}network.*")
    feature_dim = _shape(shapes, VISION + "conv_exp.reparam_conv.weight", 4)[0]
    if feature_dim % stages[-1].dim:
        raise CheckpointError(
            f"{VISION}conv_exp gives {feature_dim} channels from {stages[-1].dim}, not a multiple; "
            "the tensors come from another model"
        )
    reading.check_features(config, feature_dim)
    squeeze_dim = _shape(shapes, VISION + "conv_exp.se.reduce.weight", 4)[0]
    clip = shapes.get(VISION + "head.proj")
    vision = VisionConfig(
        image_size=int(match.group(1)),
        stages=tuple(stages),
        feature_dim=feature_dim,
        squeeze_dim=squeeze_dim,
        mlp_ratio=mlp_ratio,
        clip_dim=clip[1] if clip is not None and len(clip) == 2 else None,
    )
    if vision.image_size == 0 or vision.image_size % vision.stride:
        raise CheckpointError(
            f"config.json: mm_vision_tower {name!r} asks for {vision.image_size} pixels, "
            f"not a multiple of the tower's stride {vision.stride}"
        )
    return vision


def _projector(
    config: Mapping[str, Any], shapes: Mapping[str, Shape], warnings: list[str]
) -> MCPConfig:
    (stored_layers,) = _shape(shapes, MCP + "layer_weights", 1)
    if config.get("vlm_num_layers") is None:
        warnings.append(f"config.json has no vlm_num_layers; layer_weights gives {stored_layers}")
    elif integer(config, "vlm_num_layers") != stored_layers:
        raise CheckpointError(
            f"config.json says vlm_num_layers {config['vlm_num_layers']}, but {MCP}layer_weights "
            f"has {stored_layers} entries; one of them belongs to another model"
        )
    hidden_dim, input_dim = _shape(shapes, MCP + "input_compress.0.weight", 2)
    output_dim = _shape(shapes, MCP + "output_proj.0.weight", 2)[0]
    pattern = re.compile(re.escape(MCP) + r"sequence_refiners\.(\d{1,4})\.")
    blocks = {match.group(1) for key in shapes if (match := pattern.match(key))}
    attention_dim = max(hidden_dim // 4, 8)
    if blocks:
        name = MCP + "sequence_refiners.0.channel_attn.fc.0.weight"
        attention_dim = _shape(shapes, name, 2)[0]
    return MCPConfig(stored_layers, input_dim, hidden_dim, output_dim, len(blocks), attention_dim)


def _shape(shapes: Mapping[str, Shape], name: str, rank: int) -> Shape:
    shape = shapes.get(name)
    if shape is None:
        raise CheckpointError(f"tensor {name} is missing; this is not a Mobile-O checkpoint")
    if len(shape) != rank or 0 in shape:
        raise CheckpointError(f"tensor {name} has shape {list(shape)}, expected {rank} dimensions")
    return shape
