"""Name and shape of every tensor in the released checkpoint layout, from a model's dimensions.

Names are relative to a component's prefix. The layout is what a checkpoint is checked against
before anything heavy is imported, and what a random checkpoint is made of.
"""

from __future__ import annotations

from mobileo_export.checkpoint.diffusion_config import DiTConfig, VAEConfig
from mobileo_export.checkpoint.model_config import LanguageModelConfig, MCPConfig, VisionConfig
from mobileo_export.checkpoint.safetensors_file import Shape

Layout = dict[str, Shape]
_BUFFERS = (".running_mean", ".running_var", ".num_batches_tracked", ".temperature")


def is_buffer(name: str) -> bool:
    """Whether a tensor is state that is stored but not learned, and so no parameter."""
    return name.endswith(_BUFFERS)


def language_model(config: LanguageModelConfig) -> Layout:
    """Qwen2 decoder: embeddings, layers, final norm, and the head when it is not tied."""
    hidden, inner = config.hidden_size, config.intermediate_size
    key_value = config.num_key_value_heads * config.head_dim
    tensors: Layout = {"model.embed_tokens.weight": (config.vocab_size, hidden)}
    for index in range(config.num_hidden_layers):
        layer = f"model.layers.{index}."
        tensors |= {
            layer + "input_layernorm.weight": (hidden,),
            layer + "self_attn.q_proj.weight": (hidden, hidden),
            layer + "self_attn.q_proj.bias": (hidden,),
            layer + "self_attn.k_proj.weight": (key_value, hidden),
            layer + "self_attn.k_proj.bias": (key_value,),
            layer + "self_attn.v_proj.weight": (key_value, hidden),
            layer + "self_attn.v_proj.bias": (key_value,),
            layer + "self_attn.o_proj.weight": (hidden, hidden),
            layer + "post_attention_layernorm.weight": (hidden,),
            layer + "mlp.gate_proj.weight": (inner, hidden),
            layer + "mlp.up_proj.weight": (inner, hidden),
            layer + "mlp.down_proj.weight": (hidden, inner),
        }
    tensors["model.norm.weight"] = (hidden,)
    if not config.tie_word_embeddings:
        tensors["lm_head.weight"] = (config.vocab_size, hidden)
    return tensors


def image_projector(vision: VisionConfig, llm: LanguageModelConfig) -> Layout:
    """Linear, GELU, Linear from image features to the language model's width."""
    hidden = llm.hidden_size
    return {
        "0.weight": (hidden, vision.feature_dim),
        "0.bias": (hidden,),
        "2.weight": (hidden, hidden),
        "2.bias": (hidden,),
    }


def vision_encoder(config: VisionConfig) -> Layout:
    """FastViTHD in inference form, under the names of Apple's implementation."""
    first = config.stages[0].dim
    tensors = (
        _conv("patch_embed.0.reparam_conv", first, 3, 3)
        | _conv("patch_embed.1.reparam_conv", first, 1, 3)
        | _conv("patch_embed.2.reparam_conv", first, first, 1)
    )
    index = 0
    for stage in config.stages:
        dim = stage.dim
        if stage.downsample:
            proj = f"network.{index}.proj."
            tensors |= _conv(proj + "0.lkb_reparam", dim, 1, 7)
            tensors |= _conv(proj + "1.reparam_conv", dim, dim, 1)
            index += 1
        if stage.position_encoding:
            tensors |= _conv(f"network.{index}.reparam_conv", dim, 1, 7)
            index += 1
        for block in range(stage.num_blocks):
            tensors |= _vision_block(f"network.{index}.{block}.", stage.attention, dim, config)
        index += 1
    last = config.stages[-1].dim
    tensors |= _conv("conv_exp.reparam_conv", config.feature_dim, 1, 3)
    tensors |= _conv("conv_exp.se.reduce", config.squeeze_dim, config.feature_dim, 1)
    tensors |= _conv("conv_exp.se.expand", config.feature_dim, config.squeeze_dim, 1)
    if config.feature_dim % last:
        raise ValueError(f"{config.feature_dim} features from {last} channels")
    if config.clip_dim is not None:
        tensors["head.proj"] = (config.feature_dim, config.clip_dim)
    return tensors


def _vision_block(name: str, attention: bool, dim: int, config: VisionConfig) -> Layout:
    expanded = config.mlp_ratio * dim
    tensors: Layout
    if attention:
        tensors = {
            name + "norm.weight": (dim,),
            name + "norm.bias": (dim,),
            name + "token_mixer.qkv.weight": (3 * dim, dim),
            name + "token_mixer.proj.weight": (dim, dim),
            name + "token_mixer.proj.bias": (dim,),
            name + "layer_scale_1": (dim, 1, 1),
            name + "layer_scale_2": (dim, 1, 1),
        }
    else:
        tensors = _conv(name + "token_mixer.reparam_conv", dim, 1, 3)
        tensors[name + "layer_scale"] = (dim, 1, 1)
    batch_norm = name + "convffn.conv.bn."
    tensors[name + "convffn.conv.conv.weight"] = (dim, 1, 7, 7)
    for part in ("weight", "bias", "running_mean", "running_var"):
        tensors[batch_norm + part] = (dim,)
    tensors[batch_norm + "num_batches_tracked"] = ()
    tensors |= _conv(name + "convffn.fc1", expanded, dim, 1)
    return tensors | _conv(name + "convffn.fc2", dim, expanded, 1)


def mcp(config: MCPConfig) -> Layout:
    """The Mobile Conditioning Projector, its temperature buffer included."""
    hidden, squeezed = config.hidden_dim, config.channel_attention_dim
    tensors: Layout = {
        "layer_weights": (config.num_layers,),
        "temperature": (),
        **_linear("input_compress.0", hidden, config.input_dim),
        **_norm("input_compress.1", hidden),
        **_linear("output_proj.0", config.output_dim, hidden),
        **_norm("output_proj.1", config.output_dim),
    }
    for index in range(config.num_refinement_blocks):
        block = f"sequence_refiners.{index}."
        tensors |= {
            block + "conv.depthwise.weight": (hidden, 1, 3),
            block + "conv.pointwise.weight": (hidden, hidden, 1),
            **_norm(block + "conv.norm", hidden),
            block + "channel_attn.fc.0.weight": (squeezed, hidden),
            block + "channel_attn.fc.2.weight": (hidden, squeezed),
            **_norm(block + "norm", hidden),
        }
    return tensors


def dit(config: DiTConfig) -> Layout:
    """Tensors of diffusers' SanaTransformer2DModel without positional embedding."""
    inner, cross = config.inner_dim, config.cross_attention_dim
    patch = config.patch_size
    query = config.num_cross_attention_heads * config.cross_attention_head_dim
    tensors: Layout = {
        "scale_shift_table": (2, inner),
        **_conv("patch_embed.proj", inner, config.in_channels, patch),
        **_linear("time_embed.emb.timestep_embedder.linear_1", inner, 256),
        **_linear("time_embed.emb.timestep_embedder.linear_2", inner, inner),
        **_linear("time_embed.linear", 6 * inner, inner),
        **_linear("caption_projection.linear_1", inner, config.caption_channels),
        **_linear("caption_projection.linear_2", inner, inner),
        "caption_norm.weight": (inner,),
        **_linear("proj_out", patch * patch * config.out_channels, inner),
    }
    for index in range(config.num_layers):
        block = f"transformer_blocks.{index}."
        tensors[block + "scale_shift_table"] = (6, inner)
        for name in ("to_q", "to_k", "to_v"):
            tensors[f"{block}attn1.{name}.weight"] = (inner, inner)
        tensors |= _linear(block + "attn1.to_out.0", inner, inner)
        tensors |= _linear(block + "attn2.to_q", query, inner)
        tensors |= _linear(block + "attn2.to_k", query, cross)
        tensors |= _linear(block + "attn2.to_v", query, cross)
        tensors |= _linear(block + "attn2.to_out.0", inner, query)
        tensors |= _gated_conv(block + "ff.", inner, config.mlp_dim)
    return tensors


def vae_decoder(config: VAEConfig) -> Layout:
    """The decoder half of diffusers' AutoencoderDC (nearest upsampling)."""
    channels = config.decoder_block_out_channels
    last = len(channels) - 1
    tensors = _conv("conv_in", channels[-1], config.latent_channels, 3)
    for index, layers in enumerate(config.decoder_layers_per_block):
        position = 0
        if index < last and layers > 0:
            tensors |= _conv(f"up_blocks.{index}.0.conv", channels[index], channels[index + 1], 3)
            position = 1
        for block in range(layers):
            tensors |= _vae_block(
                f"up_blocks.{index}.{position + block}.",
                config.decoder_block_types[index],
                channels[index],
                config.attention_head_dim,
                config.decoder_qkv_multiscales[index],
            )
    return (
        tensors
        | _norm("norm_out", channels[0])
        | _conv("conv_out", config.in_channels, channels[0], 3)
    )


def vae_encoder(config: VAEConfig) -> Layout:
    """The encoder half: in every released checkpoint, used by training only."""
    channels = config.encoder_block_out_channels
    last = len(channels) - 1
    tensors = _conv("conv_in", channels[0], config.in_channels, 3)
    for index, layers in enumerate(config.encoder_layers_per_block):
        for block in range(layers):
            tensors |= _vae_block(
                f"down_blocks.{index}.{block}.",
                config.encoder_block_types[index],
                channels[index],
                config.attention_head_dim,
                config.encoder_qkv_multiscales[index],
            )
        if index < last and layers > 0:
            name = f"down_blocks.{index}.{layers}.conv"
            tensors |= _conv(name, channels[index + 1], channels[index], 3)
    return tensors | _conv("conv_out", config.latent_channels, channels[-1], 3)


def _vae_block(name: str, kind: str, dim: int, head_dim: int, scales: tuple[int, ...]) -> Layout:
    if kind == "ResBlock":
        return {
            **_conv(name + "conv1", dim, dim, 3),
            name + "conv2.weight": (dim, dim, 3, 3),
            **_norm(name + "norm", dim),
        }
    if kind != "EfficientViTBlock":
        raise ValueError(f"unknown DC-AE block {kind!r}")
    inner = dim // head_dim * head_dim
    attention = name + "attn."
    tensors: Layout = {f"{attention}to_{part}.weight": (inner, dim) for part in "qkv"}
    for index, kernel in enumerate(scales):
        scale = f"{attention}to_qkv_multiscale.{index}."
        tensors[scale + "proj_in.weight"] = (3 * inner, 1, kernel, kernel)
        tensors[scale + "proj_out.weight"] = (3 * inner, head_dim, 1, 1)
    tensors[attention + "to_out.weight"] = (dim, inner * (1 + len(scales)))
    tensors |= _norm(attention + "norm_out", dim)
    tensors |= _gated_conv(name + "conv_out.", dim, 4 * dim)
    return tensors | _norm(name + "conv_out.norm", dim)


def _gated_conv(name: str, dim: int, hidden: int) -> Layout:
    return {
        **_conv(name + "conv_inverted", 2 * hidden, dim, 1),
        **_conv(name + "conv_depth", 2 * hidden, 1, 3),
        name + "conv_point.weight": (dim, hidden, 1, 1),
    }


def _conv(name: str, outputs: int, inputs_per_group: int, kernel: int) -> Layout:
    return {
        name + ".weight": (outputs, inputs_per_group, kernel, kernel),
        name + ".bias": (outputs,),
    }


def _linear(name: str, outputs: int, inputs: int) -> Layout:
    return {name + ".weight": (outputs, inputs), name + ".bias": (outputs,)}


def _norm(name: str, dim: int) -> Layout:
    return {name + ".weight": (dim,), name + ".bias": (dim,)}
