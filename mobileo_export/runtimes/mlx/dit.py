"""SANA's diffusion transformer on MLX, after diffusers' ``SanaTransformer2DModel``.

Tokens are pixels of the latent, row by row. The stream of tokens, norms, modulation, the timestep's
embedding, linear attention and the final layer are float32 in any build: half precision has too few
digits for a sinusoid of a timestep near 1000, and its range ends where linear attention's sums and
the epsilon of their division lie. What multiplies matrices is in the activations' dtype.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mlx.core as mx
from mlx import nn

from mobileo_export.runtimes.mlx.layers import Matrix, MXArray, Tensors, linear_attention

if TYPE_CHECKING:
    from mobileo_export.checkpoint.diffusion_config import DiTConfig

_SINUSOIDS = 128  # sines, and as many cosines
_LONGEST_PERIOD = 10000
_CAPTION_EPS = 1e-5
_OUTPUT_EPS = 1e-6  # the last norm's, whatever that of the blocks is
_MASKED = -10000.0  # added to the scores of tokens that do not take part
_KERNEL = 3


@dataclass(frozen=True)
class GatedConv:
    """SANA's feed-forward: a wide 1x1 convolution, a depthwise one, a gate, a 1x1 back."""

    inverted: Matrix
    depth: MXArray
    depth_bias: MXArray
    point: Matrix

    def __call__(self, x: MXArray, side: int) -> MXArray:
        """Tokens [B, side², D] to [B, side², D]."""
        rows, tokens = x.shape[:2]
        wide = nn.silu(self.inverted(x)).reshape(rows, side, tokens // side, -1)
        mixed = mx.conv2d(wide, self.depth, padding=_KERNEL // 2, groups=wide.shape[-1])
        values, gate = mx.split(mixed + self.depth_bias, 2, axis=-1)
        return self.point((values * nn.silu(gate)).reshape(rows, tokens, -1))


@dataclass(frozen=True)
class CrossAttention:
    """The tokens look at the conditioning."""

    query: Matrix
    key: Matrix
    value: Matrix
    output: Matrix
    heads: int

    def __call__(self, x: MXArray, caption: MXArray, bias: MXArray) -> MXArray:
        """Tokens [B, T, D] with conditioning [B, N, D] and ``bias`` [B, 1, 1, N] on the scores."""
        rows, tokens = x.shape[:2]

        def heads(values: MXArray) -> MXArray:
            return values.reshape(rows, values.shape[1], self.heads, -1).transpose(0, 2, 1, 3)

        query, key, value = (
            heads(self.query(x)),
            heads(self.key(caption)),
            heads(self.value(caption)),
        )
        mixed = mx.fast.scaled_dot_product_attention(
            query, key, value, scale=query.shape[-1] ** -0.5, mask=bias
        )
        return self.output(mixed.transpose(0, 2, 1, 3).reshape(rows, tokens, -1))


@dataclass(frozen=True)
class DiTBlock:
    """Linear attention, cross attention and the gated convolution, each added to the stream."""

    table: MXArray
    query: Matrix
    key: Matrix
    value: Matrix
    output: Matrix
    cross: CrossAttention
    feed_forward: GatedConv
    heads: int
    eps: float

    def __call__(
        self, x: MXArray, caption: MXArray, bias: MXArray, time: MXArray, side: int
    ) -> MXArray:
        """The stream [B, T, D] float32; ``time`` is [B, 6, D] float32."""
        dtype = caption.dtype
        shift, scale, gate, shift_ff, scale_ff, gate_ff = mx.split(self.table + time, 6, axis=1)
        normed = _modulated(x, self.eps, scale, shift).astype(dtype)
        mixed = linear_attention(
            self.query(normed), self.key(normed), self.value(normed), self.heads
        )
        x = x + gate * self.output(mixed)
        x = x + self.cross(x.astype(dtype), caption, bias)
        normed = _modulated(x, self.eps, scale_ff, shift_ff).astype(dtype)
        return x + gate_ff * self.feed_forward(normed, side)


class DiTModel:
    """The whole transformer, loaded: one denoising step of one or two rows."""

    def __init__(self, config: DiTConfig, tensors: Tensors) -> None:
        """Of the folder's tensors; nothing is computed yet."""
        self._patch = config.patch_size
        self._dtype = tensors.dtype
        self._embed = _patches(tensors)
        time, wide = "time_embed.emb.timestep_embedder.linear_", mx.float32
        self._time = tuple(
            tensors.matrix(name, wide) for name in (f"{time}1", f"{time}2", "time_embed.linear")
        )
        self._caption = tuple(tensors.matrix(f"caption_projection.linear_{n}") for n in (1, 2))
        self._caption_norm = tensors.array("caption_norm.weight", wide)
        self._blocks = [
            _block(f"transformer_blocks.{index}.", tensors, config)
            for index in range(config.num_layers)
        ]
        self._table = tensors.array("scale_shift_table", wide)
        self._output = tensors.matrix("proj_out", wide)

    def __call__(
        self,
        latent: MXArray,
        timestep: MXArray,
        encoder_hidden_states: MXArray,
        encoder_attention_mask: MXArray,
    ) -> MXArray:
        """The flow velocity, noise minus image.

        Args:
            latent: [B, S, S, C].
            timestep: [B], 0 to 1000.
            encoder_hidden_states: [B, N, caption channels].
            encoder_attention_mask: [B, N], 1 for a token that takes part, 0 for one that does not.

        Returns:
            [B, S, S, C] float32.
        """
        rows, side = latent.shape[0], latent.shape[1] // self._patch
        x = self._embed(latent.astype(self._dtype)).astype(mx.float32)
        first, second, modulate = self._time
        told = second(nn.silu(first(_sinusoids(timestep))))
        time = modulate(nn.silu(told)).reshape(rows, 6, -1)
        caption = self._projected(encoder_hidden_states)
        bias = ((1 - encoder_attention_mask) * _MASKED).astype(self._dtype)[:, None, None]
        for block in self._blocks:
            x = block(x, caption, bias, time, side)
        shift, scale = mx.split(self._table + told[:, None], 2, axis=1)
        x = self._output(_modulated(x, _OUTPUT_EPS, scale, shift))
        patch = self._patch
        x = x.reshape(rows, side, side, patch, patch, -1).transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(rows, side * patch, side * patch, -1)

    def _projected(self, conditioning: MXArray) -> MXArray:
        first, second = self._caption
        caption = second(nn.gelu_approx(first(conditioning.astype(self._dtype))))
        normed = mx.fast.rms_norm(caption.astype(mx.float32), self._caption_norm, _CAPTION_EPS)
        return normed.astype(self._dtype)


@dataclass(frozen=True)
class PatchEmbedding:
    """Patches of the latent as tokens; of a single pixel it is a linear layer."""

    linear: Matrix | None
    kernel: MXArray | None
    bias: MXArray | None

    def __call__(self, latent: MXArray) -> MXArray:
        """[B, S, S, C] to [B, T, D]."""
        if self.linear is not None:
            return self.linear(latent.reshape(latent.shape[0], -1, latent.shape[-1]))
        kernel = self.kernel
        tokens = mx.conv2d(latent, kernel, stride=kernel.shape[1]) + self.bias  # type: ignore[union-attr]
        return tokens.reshape(latent.shape[0], -1, tokens.shape[-1])


def _patches(tensors: Tensors) -> PatchEmbedding:
    name = "patch_embed.proj"
    if tensors.rank(f"{name}.weight") == 2:
        return PatchEmbedding(tensors.matrix(name), None, None)
    return PatchEmbedding(None, tensors.array(f"{name}.weight"), tensors.array(f"{name}.bias"))


def _modulated(x: MXArray, eps: float, scale: MXArray, shift: MXArray) -> MXArray:
    return mx.fast.layer_norm(x, None, None, eps) * (1 + scale) + shift


def _sinusoids(timestep: MXArray) -> MXArray:
    """[B] to [B, 256]: cosines, then sines, of ever longer periods."""
    exponents = mx.arange(_SINUSOIDS, dtype=mx.float32) * (-math.log(_LONGEST_PERIOD) / _SINUSOIDS)
    angles = timestep.astype(mx.float32)[:, None] * mx.exp(exponents)[None]
    return mx.concatenate([mx.cos(angles), mx.sin(angles)], axis=-1)


def _block(at: str, tensors: Tensors, config: DiTConfig) -> DiTBlock:
    def matrix(name: str) -> Matrix:
        return tensors.matrix(at + name)

    return DiTBlock(
        tensors.array(f"{at}scale_shift_table", mx.float32),
        *(matrix(f"attn1.{name}") for name in ("to_q", "to_k", "to_v", "to_out.0")),
        CrossAttention(
            *(matrix(f"attn2.{name}") for name in ("to_q", "to_k", "to_v", "to_out.0")),
            config.num_cross_attention_heads,
        ),
        GatedConv(
            matrix("ff.conv_inverted"),
            tensors.array(f"{at}ff.conv_depth.weight"),
            tensors.array(f"{at}ff.conv_depth.bias"),
            matrix("ff.conv_point"),
        ),
        config.num_attention_heads,
        config.norm_eps,
    )
