"""The decoder as the graph that a device runs: embeddings and earlier keys and values in.

The layers are those of the reference (transformers' Qwen2); what is written anew is how they are
put together: the cache comes in as stacked arrays and only the new keys and values go out, the
query heads that share a key head are rows of one matrix, and the scores of earlier and of new
positions are joined before the softmax, so that no key or value is ever copied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from mobileo_export.components import Dim, TensorSpec

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.reference.llm import LanguageModel

CacheDtype = Literal["float32", "float16"]


@dataclass(frozen=True)
class Part:
    """Layers [start, stop) of the decoder, a graph of their own.

    Attributes:
        name: of the graph.
        start: first layer.
        stop: behind the last.
        stacked: how many of the last K hidden states it makes.
        last: whether the final norm and the head belong to it.
    """

    name: str
    start: int
    stop: int
    stacked: int
    last: bool


def parts(num_layers: int, k: int, layers_per_engine: int | None) -> tuple[Part, ...]:
    """The decoder cut into graphs of ``layers_per_engine`` layers; whole for None."""
    size = min(layers_per_engine or num_layers, num_layers)
    starts = range(0, num_layers, size)
    found = []
    for index, start in enumerate(starts):
        stop = min(start + size, num_layers)
        name = "llm" if len(starts) == 1 else f"llm_{index}"
        stacked = max(0, stop - max(start, num_layers - k))
        found.append(Part(name, start, stop, stacked, stop == num_layers))
    return tuple(found)


class Attention(nn.Module):
    """Softmax attention of new positions over earlier ones and themselves."""

    def __init__(self, reference: Any, head_dim: int) -> None:
        super().__init__()
        self.q_proj = reference.q_proj
        self.k_proj = reference.k_proj
        self.v_proj = reference.v_proj
        self.o_proj = reference.o_proj
        self.head_dim = head_dim

    def forward(
        self,
        x: torch.Tensor,
        angles: tuple[torch.Tensor, torch.Tensor],
        masks: tuple[torch.Tensor, torch.Tensor],
        past: tuple[torch.Tensor, torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What was read, [1, T, d], and the new keys and values, [1, H, T, D].

        Args:
            x: normed, [1, T, d].
            angles: cosines and sines [1, 1, T, D].
            masks: additive, [1, 1, G·T, T] among the new positions and [1, 1, 1, P] for earlier
                ones.
            past: earlier keys and values, [1, H, P, D].
        """
        query, keys, values = (
            projection(x).view(1, x.shape[1], -1, self.head_dim).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        # Scaled before the product, which would leave half precision otherwise.
        query = rotate(query, angles) * (1 / math.sqrt(self.head_dim))
        keys = rotate(keys, angles)
        # The queries of a group are further rows of one product: keys need not be repeated.
        rows = query.reshape(1, keys.shape[1], -1, self.head_dim)
        earlier = rows @ past[0].transpose(-1, -2) + masks[1]
        these = rows @ keys.transpose(-1, -2) + masks[0]
        weights = torch.softmax(torch.cat([earlier, these], dim=-1), dim=-1)
        slots = past[0].shape[2]
        read = weights[..., :slots] @ past[1] + weights[..., slots:] @ values
        joined = read.reshape(query.shape).transpose(1, 2).reshape(x.shape)
        return self.o_proj(joined), keys, values


class DecoderLayer(nn.Module):
    """One layer of the decoder."""

    def __init__(self, reference: Any, head_dim: int) -> None:
        super().__init__()
        self.input_layernorm = reference.input_layernorm
        self.self_attn = Attention(reference.self_attn, head_dim)
        self.post_attention_layernorm = reference.post_attention_layernorm
        self.mlp = reference.mlp

    def forward(
        self,
        x: torch.Tensor,
        angles: tuple[torch.Tensor, torch.Tensor],
        masks: tuple[torch.Tensor, torch.Tensor],
        past: tuple[torch.Tensor, torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As :meth:`Attention.forward`; the first of the three is the layer's output."""
        read, keys, values = self.self_attn(self.input_layernorm(x), angles, masks, past)
        x = x + read
        return x + self.mlp(self.post_attention_layernorm(x)), keys, values


class PartialDecoder(nn.Module):
    """One :class:`Part`; signature in docs/jetson-artifacts.md."""

    cos: torch.Tensor
    sin: torch.Tensor

    def __init__(self, reference: LanguageModel, part: Part, context: int) -> None:
        """``context`` is how many positions there are."""
        super().__init__()
        model: Any = reference.language_model
        config = model.config
        head_dim = config.hidden_size // config.num_attention_heads
        self.part = part
        self.groups = config.num_attention_heads // config.num_key_value_heads
        self.layers = nn.ModuleList(
            DecoderLayer(layer, head_dim) for layer in model.model.layers[part.start : part.stop]
        )
        self.norm = model.model.norm if part.last else nn.Identity()
        self.lm_head = model.lm_head if part.last else nn.Identity()
        # Computed once, in float32: half precision cannot tell the angles of late positions apart.
        cos, sin = model.model.rotary_emb(torch.empty(0), torch.arange(context)[None])
        self.register_buffer("cos", cos[0].contiguous())
        self.register_buffer("sin", sin[0].contiguous())

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        past_mask: torch.Tensor,
        past_keys: torch.Tensor,
        past_values: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Keys, values, and what else the part makes, in the order of its outputs."""
        embed = nn.functional.embedding
        angles = tuple(embed(position_ids, table)[:, None] for table in (self.cos, self.sin))
        masks = attention_mask.repeat(1, 1, self.groups, 1), past_mask
        made, keys, values = [], [], []
        x = hidden_states
        for index, layer in enumerate(self.layers):
            past = past_keys[index], past_values[index]
            x, new_keys, new_values = layer(x, angles, masks, past)
            made.append(x)
            keys.append(new_keys)
            values.append(new_values)
        outputs = [torch.stack(keys), torch.stack(values)]
        if self.part.last:
            made[-1] = x = self.norm(x)
        if self.part.stacked:
            outputs.append(torch.stack(made[-self.part.stacked :], dim=1))
        outputs.append(self.lm_head(x[:, -1]) if self.part.last else x)
        return tuple(outputs)


class Projector(nn.Module):
    """Image features [1, M, F] to embeddings [1, M, d]."""

    def __init__(self, reference: LanguageModel) -> None:
        super().__init__()
        self.projector = reference.projector

    def forward(self, image_features: torch.Tensor) -> torch.Tensor:
        """The projected features."""
        embeddings: torch.Tensor = self.projector(image_features)
        return embeddings


def rotate(x: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotary position embedding of [1, heads, T, D] by cosines and sines [1, 1, T, D]."""
    cos, sin = angles
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    return x * cos + turned * sin


def inputs(
    model: ModelConfig, part: Part, context: int, cache_dtype: CacheDtype = "float32"
) -> tuple[TensorSpec, ...]:
    """What :meth:`PartialDecoder.forward` takes, with at most ``context`` positions."""
    new, past = Dim("T", 1, context, 1), Dim("P", 1, context, context)
    cache = _cache_shape(model, part, past)
    what = "Embeddings" if part.start == 0 else "Of the graph before"
    return (
        TensorSpec("hidden_states", (1, new, model.llm.hidden_size), what),
        TensorSpec("position_ids", (1, new), "Positions of these states, from 0", "int32"),
        TensorSpec("attention_mask", (1, 1, new, new), "Added to the scores of these states"),
        TensorSpec("past_mask", (1, 1, 1, past), "Added to the scores of earlier ones"),
        TensorSpec("past_keys", cache, "Keys of earlier positions, rotated", cache_dtype),
        TensorSpec("past_values", cache, "Values of earlier positions", cache_dtype),
    )


def outputs(
    model: ModelConfig, part: Part, context: int, cache_dtype: CacheDtype = "float32"
) -> tuple[TensorSpec, ...]:
    """What :meth:`PartialDecoder.forward` gives."""
    new = Dim("T", 1, context, 1)
    cache = _cache_shape(model, part, new)
    width = model.llm.hidden_size
    outputs = [
        TensorSpec("keys", cache, "Keys of these positions, rotated", cache_dtype),
        TensorSpec("values", cache, "Values of these positions", cache_dtype),
    ]
    if part.stacked:
        states = (1, part.stacked, new, width)
        outputs.append(TensorSpec("stacked_hidden_states", states, "Of the last K hidden states"))
    if part.last:
        scores = (1, model.llm.vocab_size)
        outputs.append(TensorSpec("logits", scores, "Next-token scores after the last"))
    else:
        outputs.append(TensorSpec("next_hidden_states", (1, new, width), "For the next graph"))
    return tuple(outputs)


def _cache_shape(model: ModelConfig, part: Part, positions: Dim) -> tuple[int | Dim, ...]:
    llm = model.llm
    return (part.stop - part.start, 1, llm.num_key_value_heads, positions, llm.head_dim)
