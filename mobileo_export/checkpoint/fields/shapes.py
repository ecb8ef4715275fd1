"""Which fields fix the shape of a tensor: for messages about tensors that do not fit."""

from __future__ import annotations

import re

_LLM, _DIT, _VAE = "config.json", "transformer/config.json", "vae/config.json"
_WIDTH = "num_attention_heads, attention_head_dim"
_BLOCKS = "decoder_block_types, decoder_block_out_channels, decoder_layers_per_block"
# The first that matches counts.
_DECIDING = (
    (r"model\.layers\.\d+\.mlp\.", _LLM, "intermediate_size"),
    (r"model\.layers\.\d+\.self_attn\.", _LLM, "num_attention_heads, num_key_value_heads"),
    (r"model\.dit\.transformer_blocks\.\d+\.ff\.", _DIT, f"mlp_ratio, num_layers, {_WIDTH}"),
    (
        r"model\.dit\.transformer_blocks\.\d+\.attn2\.",
        _DIT,
        "num_cross_attention_heads, cross_attention_head_dim, num_layers",
    ),
    (r"model\.dit\.transformer_blocks\.", _DIT, f"num_layers, {_WIDTH}"),
    (r"model\.dit\.caption_projection\.", _DIT, f"caption_channels, {_WIDTH}"),
    (r"model\.dit\.", _DIT, f"in_channels, out_channels, patch_size, {_WIDTH}"),
    (
        r"model\.vae\.decoder\.up_blocks\.\d+\.\d+\.attn\.",
        _VAE,
        f"attention_head_dim, decoder_qkv_multiscales, {_BLOCKS}",
    ),
    (r"model\.vae\.decoder\.up_blocks\.", _VAE, _BLOCKS),
    (
        r"model\.vae\.decoder\.",
        _VAE,
        "latent_channels, in_channels, decoder_block_out_channels",
    ),
)


def deciding(tensor: str) -> str:
    """The fields behind presence and shape of ``tensor``, in brackets, or nothing."""
    for pattern, file, names in _DECIDING:
        if re.match(pattern, tensor):
            return f" ({names} in {file})"
    return ""
