"""Qwen2 and the image projector on MLX's own kernels, with the hidden states that Mobile-O needs.

``mlx_lm.models.qwen2`` gives only the last hidden state, and importing it imports transformers and
torch; the arithmetic here is the same; ``tests/runtimes`` holds its results against torch's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlx.core as mx
from mlx import nn

from mobileo_export.runtimes.mlx.layers import Matrix, MXArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from mobileo_export.artifacts.mlx.folder import MLXFolder
    from mobileo_export.checkpoint.model_config import LanguageModelConfig

# Keys and values [1, heads, N, head dim] of each layer.
KeysAndValues = list[tuple[MXArray, MXArray]]


@dataclass(frozen=True)
class Layer:
    """One decoder layer."""

    input_norm: MXArray
    query: Matrix
    key: Matrix
    value: Matrix
    output: Matrix
    post_norm: MXArray
    gate: Matrix
    up: Matrix
    down: Matrix

    def __call__(
        self, x: MXArray, config: LanguageModelConfig, past: tuple[MXArray, MXArray] | None
    ) -> tuple[MXArray, tuple[MXArray, MXArray]]:
        """The layer's output [1, N, d], and all keys and values so far."""
        normed = mx.fast.rms_norm(x, self.input_norm, config.rms_norm_eps)
        mixed, kept = self._attention(normed, config, past)
        x = x + mixed
        normed = mx.fast.rms_norm(x, self.post_norm, config.rms_norm_eps)
        return x + self.down(nn.silu(self.gate(normed)) * self.up(normed)), kept

    def _attention(
        self, x: MXArray, config: LanguageModelConfig, past: tuple[MXArray, MXArray] | None
    ) -> tuple[MXArray, tuple[MXArray, MXArray]]:
        length = x.shape[1]
        offset = 0 if past is None else past[0].shape[2]

        def heads(values: MXArray, count: int) -> MXArray:
            return values.reshape(1, length, count, config.head_dim).transpose(0, 2, 1, 3)

        def rotated(values: MXArray) -> MXArray:
            return mx.fast.rope(
                values,
                config.head_dim,
                traditional=False,
                base=config.rope_theta,
                scale=1.0,
                offset=offset,
            )

        queries = rotated(heads(self.query(x), config.num_attention_heads))
        keys = rotated(heads(self.key(x), config.num_key_value_heads))
        values = heads(self.value(x), config.num_key_value_heads)
        if past is not None:
            keys = mx.concatenate([past[0], keys], axis=2)
            values = mx.concatenate([past[1], values], axis=2)
        mixed = mx.fast.scaled_dot_product_attention(
            queries,
            keys,
            values,
            scale=config.head_dim**-0.5,
            mask="causal" if length > 1 else None,
        )
        return self.output(mixed.transpose(0, 2, 1, 3).reshape(1, length, -1)), (keys, values)


@dataclass(frozen=True)
class MlxModel:
    """The whole folder, loaded; ``num_states`` is K."""

    config: LanguageModelConfig
    num_states: int
    embeddings: Matrix
    layers: tuple[Layer, ...]
    norm: MXArray
    head: Matrix
    projector: tuple[Matrix, Matrix]

    def embed(
        self, ids: MXArray, features: MXArray | None = None, span: tuple[int, int] = (0, 0)
    ) -> MXArray:
        """Embeddings [1, N, d]; projected ``features`` [1, M, F] replace the positions ``span``."""
        embeddings = self.embeddings.rows(ids)
        if features is None:
            return embeddings
        first, second = self.projector
        image = second(nn.gelu(first(features.astype(embeddings.dtype))))
        start, stop = span
        return mx.concatenate([embeddings[:, :start], image, embeddings[:, stop:]], axis=1)

    def __call__(
        self, x: MXArray, past: KeysAndValues | None = None
    ) -> tuple[MXArray, MXArray, KeysAndValues]:
        """Hidden states [1, K, N, d], logits [1, V] of the last position, keys and values.

        ``x`` is [1, N, d] with N = 1 when there is a ``past``.
        """
        states, kept = [x], []
        for index, layer in enumerate(self.layers):
            x, pair = layer(x, self.config, None if past is None else past[index])
            states.append(x)
            kept.append(pair)
        states[-1] = mx.fast.rms_norm(x, self.norm, self.config.rms_norm_eps)
        stacked = mx.stack(states[-self.num_states :], axis=1)
        return stacked, self.head(states[-1][:, -1]), kept


def load(folder: MLXFolder, precision: str) -> MlxModel:
    """The folder's tensors as stored, or their scales, biases and norms as float32."""
    stored: Any = mx.load(str(folder.path / "model.safetensors"))
    dtype = mx.float32 if precision == "float32" else mx.float16

    def array(name: str) -> MXArray:
        values = stored[name]
        return values if values.dtype == mx.uint32 else values.astype(dtype)

    def matrix(source: str) -> Matrix:
        tensor = folder.by_source[f"{source}.weight"]
        bias = f"{tensor.module}.bias"
        arrays = {name.rpartition(".")[2]: array(name) for name in tensor.stored}
        if bias in stored:
            arrays["bias"] = array(bias)
        return Matrix(**arrays, bits=tensor.bits, group_size=tensor.group_size)

    def vector(source: str) -> MXArray:
        return array(folder.by_source[source].target)

    embeddings = matrix("model.embed_tokens")
    model = MlxModel(
        folder.llm,
        folder.num_layers,
        embeddings,
        tuple(
            _layer(f"model.layers.{index}.", matrix, vector)
            for index in range(folder.llm.num_hidden_layers)
        ),
        vector("model.norm.weight"),
        embeddings if folder.llm.tie_word_embeddings else matrix("lm_head"),
        (matrix("model.mm_projector.0"), matrix("model.mm_projector.2")),
    )
    mx.eval(list(stored.values()))
    return model


def _layer(at: str, matrix: Callable[[str], Matrix], vector: Callable[[str], MXArray]) -> Layer:
    return Layer(
        vector(at + "input_layernorm.weight"),
        matrix(at + "self_attn.q_proj"),
        matrix(at + "self_attn.k_proj"),
        matrix(at + "self_attn.v_proj"),
        matrix(at + "self_attn.o_proj"),
        vector(at + "post_attention_layernorm.weight"),
        matrix(at + "mlp.gate_proj"),
        matrix(at + "mlp.up_proj"),
        matrix(at + "mlp.down_proj"),
    )
