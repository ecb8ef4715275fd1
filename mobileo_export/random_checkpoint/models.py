"""The models that a random checkpoint can have: the two released sizes and a tiny one for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from mobileo_export.checkpoint.diffusion_config import (
    KNOWN,
    SANA_600M,
    SANA_1600M,
    DiffusionConfig,
    DiTConfig,
    SchedulerConfig,
    VAEConfig,
)
from mobileo_export.checkpoint.model_config import (
    LanguageModelConfig,
    MCPConfig,
    ModelConfig,
    VisionConfig,
    VisionStage,
)
from mobileo_export.errors import UsageError

Variant = Literal["0.5b", "1.5b", "tiny"]
VARIANTS: tuple[str, ...] = get_args(Variant)
# 151,643 byte pairs and six special tokens: the rows that training left in the released weights.
RELEASED_VOCABULARY = 151649
# A tiny language model can be made deeper up to here.
_TINY_DEEPEST = 32
# Where the tiny variant keeps its diffusers configuration, relative to the checkpoint.
TINY_DIFFUSION = "diffusion"


def model(
    variant: str, mcp_layers: int | None = None, refinement_blocks: int | None = None
) -> ModelConfig:
    """The dimensions of ``variant``, with another K or number of MCP refinement blocks if given.

    The tiny language model becomes as deep as K asks for; the others have the released depth.

    Raises:
        UsageError: the variant is unknown, or the MCP cannot have that many layers or blocks.
    """
    if variant not in VARIANTS:
        raise UsageError(f"unknown variant {variant!r}; choose from {', '.join(VARIANTS)}")
    chosen = {"0.5b": _half, "1.5b": _one_and_a_half, "tiny": _tiny}[variant]()
    mcp = chosen.mcp
    if mcp_layers is not None:
        deepest = chosen.llm.num_hidden_layers
        if variant == "tiny" and deepest < mcp_layers <= _TINY_DEEPEST:
            deepest = mcp_layers
            chosen = replace(chosen, llm=replace(chosen.llm, num_hidden_layers=deepest))
        if not 1 <= mcp_layers <= deepest:
            most = _TINY_DEEPEST if variant == "tiny" else deepest
            raise UsageError(
                f"mcp_layers is {mcp_layers}; {variant} has {most} layers at most, "
                f"choose 1 to {most}"
            )
        mcp = replace(mcp, num_layers=mcp_layers)
    if refinement_blocks is not None:
        if not 0 <= refinement_blocks <= 64:
            raise UsageError(f"refinement_blocks is {refinement_blocks}; choose 0 to 64")
        mcp = replace(mcp, num_refinement_blocks=refinement_blocks)
    return replace(chosen, mcp=mcp)


def _half() -> ModelConfig:
    llm = LanguageModelConfig(
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        vocab_size=RELEASED_VOCABULARY,
        tie_word_embeddings=False,
        rms_norm_eps=1e-6,
        rope_theta=1e6,
        max_position_embeddings=32768,
    )
    return ModelConfig(llm, _fastvithd(), _mcp(llm), KNOWN[SANA_600M])


def _one_and_a_half() -> ModelConfig:
    llm = replace(
        _half().llm,
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=28,
        num_attention_heads=12,
    )
    return ModelConfig(llm, _fastvithd(), _mcp(llm), KNOWN[SANA_1600M])


def _fastvithd() -> VisionConfig:
    return VisionConfig(
        image_size=1024,
        stages=_stages((96, 192, 384, 768, 1536), (2, 12, 24, 4, 2)),
        feature_dim=3072,
        squeeze_dim=192,
        mlp_ratio=4,
        clip_dim=768,
    )


def _stages(dims: tuple[int, ...], blocks: tuple[int, ...]) -> tuple[VisionStage, ...]:
    first_attention = len(dims) - 2
    return tuple(
        VisionStage(
            dim=dim,
            num_blocks=count,
            attention=index >= first_attention,
            downsample=index > 0,
            position_encoding=index >= first_attention,
        )
        for index, (dim, count) in enumerate(zip(dims, blocks, strict=True))
    )


def _mcp(llm: LanguageModelConfig) -> MCPConfig:
    return MCPConfig(
        num_layers=4,
        input_dim=llm.hidden_size,
        hidden_dim=512,
        output_dim=2304,
        num_refinement_blocks=2,
        channel_attention_dim=128,
    )


def _tiny() -> ModelConfig:
    """Every structural feature of the released models, each as small as it can be.

    All inputs of the LLM's and the projector's matrices are multiples of 64, MLX's group size;
    the vision tower's attention needs multiples of 32; the VAE's linear attention is chosen only
    where height x width exceeds its head width, which holds from 8 x 8 on.
    """
    blocks = ("ResBlock", "ResBlock", "EfficientViTBlock", "EfficientViTBlock")
    channels, layers, scales = (16, 32, 64, 64), (1, 1, 1, 1), ((), (), (5,), (5,))
    return ModelConfig(
        LanguageModelConfig(
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=512,
            tie_word_embeddings=False,
            rms_norm_eps=1e-6,
            rope_theta=1e6,
            max_position_embeddings=2048,
        ),
        VisionConfig(
            image_size=256,
            stages=_stages((8, 16, 32, 64, 128), (1, 1, 2, 1, 1)),
            feature_dim=256,
            squeeze_dim=16,
            mlp_ratio=4,
            clip_dim=32,
        ),
        MCPConfig(
            num_layers=4,
            input_dim=128,
            hidden_dim=64,
            output_dim=192,
            num_refinement_blocks=2,
            channel_attention_dim=16,
        ),
        DiffusionConfig(
            TINY_DIFFUSION,
            DiTConfig(
                sample_size=8,
                num_layers=3,
                num_attention_heads=3,
                attention_head_dim=32,
                num_cross_attention_heads=2,
                cross_attention_head_dim=48,
                cross_attention_dim=96,
                caption_channels=192,
                in_channels=8,
                out_channels=8,
            ),
            VAEConfig(
                latent_channels=8,
                attention_head_dim=16,
                encoder_block_types=blocks,
                decoder_block_types=blocks,
                encoder_block_out_channels=channels,
                decoder_block_out_channels=channels,
                encoder_layers_per_block=layers,
                decoder_layers_per_block=layers,
                encoder_qkv_multiscales=scales,
                decoder_qkv_multiscales=scales,
                scaling_factor=0.41407,
            ),
            SchedulerConfig(),
        ),
    )
