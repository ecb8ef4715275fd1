"""The DC-AE decoder on MLX, as diffusers' ``Decoder`` computes it, in bands of rows.

A block takes a picture as a list of bands, the first row first, and empties it; only attention
looks at a picture as a whole, where it is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

import mlx.core as mx
from mlx import nn

from mobileo_export.runtimes.mlx.convolutions import (
    WHOLE,
    Convolution,
    DepthwiseConvolution,
    Edges,
    at_once,
    by_bands,
    convolution,
    depthwise,
    evaluated,
    joined,
    pixelwise,
    split,
)
from mobileo_export.runtimes.mlx.layers import Matrix, MXArray, linear_attention

if TYPE_CHECKING:
    from collections.abc import Callable

    from mobileo_export.checkpoint.diffusion_config import VAEConfig
    from mobileo_export.runtimes.mlx.layers import Tensors

    Block = Callable[[list[MXArray]], list[MXArray]]

_NORM_EPS = 1e-5


@dataclass(frozen=True)
class BiasedRMSNorm:
    """diffusers' ``RMSNorm`` over channels, with its bias; MLX squares in float32."""

    weight: MXArray
    bias: MXArray

    def __call__(self, x: MXArray) -> MXArray:
        """``x`` [..., C] normalised."""
        return mx.fast.rms_norm(x, self.weight, _NORM_EPS) + self.bias


@dataclass(frozen=True)
class ResBlock:
    """Two convolutions of 3 x 3 beside a shortcut."""

    first: Convolution
    second: Convolution
    norm: BiasedRMSNorm

    def __call__(self, bands: list[MXArray]) -> list[MXArray]:
        """A picture [1, H, W, C] to one of that size."""
        return by_bands(bands, 2, 2, self._rows)

    def _rows(self, x: MXArray, edges: Edges) -> MXArray:
        mixed = self.norm(self.second(nn.silu(self.first(x, edges)), edges))
        return _inner(x, 2, edges) + mixed


@dataclass(frozen=True)
class Surroundings:
    """Projections mixed with those of the pixels around: each channel, then each head dim's width.

    ``around`` is a depthwise kernel [3D, k, k, 1], ``matrices`` are [3D / head dim, in, out].
    """

    around: MXArray
    matrices: MXArray

    def __call__(self, qkv: MXArray, first: int) -> MXArray:
        """Projections [1, H, W, ...] of the channels from ``first`` on to as many."""
        channels, width = qkv.shape[-1], self.matrices.shape[1]
        kernel = self.around[first : first + channels]
        mixed = mx.conv2d(qkv, kernel, padding=kernel.shape[1] // 2, groups=channels)
        tokens = mixed.reshape(-1, channels // width, width).transpose(1, 0, 2)
        tokens = tokens @ self.matrices[first // width : (first + channels) // width]
        return tokens.transpose(1, 0, 2).reshape(qkv.shape)


@dataclass(frozen=True)
class MultiscaleLinearAttention:
    """SANA's ReLU attention over all pixels: of projections, and of what they are around them."""

    projection: Matrix  # q, k and v
    scales: tuple[Surroundings, ...]
    output: Matrix
    norm: BiasedRMSNorm
    head_dim: int

    def __call__(self, x: MXArray) -> MXArray:
        """A picture [1, H, W, C] to one of that size, the shortcut added."""
        projected = evaluated(self.projection(x))
        width = 3 * self.head_dim  # three head dims in a row are q, k and v of one head
        step = width * at_once(x.shape[1] * x.shape[2] * width)
        mixed = []
        for scale in (None, *self.scales):
            for first in range(0, projected.shape[-1], step):
                qkv = projected[..., first : first + step]
                if scale is not None:
                    qkv = scale(qkv, first)
                mixed.append(evaluated(self._attention(qkv)))
        return x + self.norm(self.output(mx.concatenate(mixed, axis=-1)))

    def _attention(self, qkv: MXArray) -> MXArray:
        """Some heads [1, H, W, 3D] to [1, H, W, D]."""
        count = qkv.shape[-1] // (3 * self.head_dim)
        heads = qkv.reshape(1, -1, count, 3, self.head_dim)
        query, key, value = (heads[:, :, :, part].flatten(2) for part in range(3))
        return linear_attention(query, key, value, count).reshape(*qkv.shape[:-1], -1)


@dataclass(frozen=True)
class GatedConvolution:
    """diffusers' ``GLUMBConv``: widened, mixed with neighbours, gated by its second half."""

    inverted: Matrix
    depth: DepthwiseConvolution
    point: Matrix
    norm: BiasedRMSNorm

    def __call__(self, x: MXArray, edges: Edges = WHOLE) -> MXArray:
        """[1, H, W, C] to one of that size, less a row where there is no edge."""
        wide = self.depth(nn.silu(self.inverted(x)), edges)
        value, gate = mx.split(wide, 2, axis=-1)
        return _inner(x, 1, edges) + self.norm(self.point(value * nn.silu(gate)))


@dataclass(frozen=True)
class EfficientViTBlock:
    """Attention over the whole picture, then a gated convolution."""

    attention: MultiscaleLinearAttention
    gated: GatedConvolution

    def __call__(self, bands: list[MXArray]) -> list[MXArray]:
        """A picture [1, H, W, C] to one of that size."""
        x = joined(bands)
        bands.clear()
        x = evaluated(self.attention(x))
        parts = split(x, x.shape[2] * self.gated.inverted.weight.shape[0])
        return by_bands(parts, 1, 1, self.gated)


@dataclass(frozen=True)
class Upsampling:
    """Twice the size: each pixel four times, convolved, beside channels laid out as pixels."""

    convolution: Convolution

    def __call__(self, bands: list[MXArray]) -> list[MXArray]:
        """A picture [1, H, W, I] to [1, 2H, 2W, O]."""
        outputs = self.convolution.weight.shape[0]
        finer = [part for x in bands for part in split(x, 4 * x.shape[2] * outputs)]
        bands.clear()
        return by_bands(finer, 1, 1, self._rows)

    def _rows(self, x: MXArray, edges: Edges) -> MXArray:
        outputs = self.convolution.weight.shape[0]
        enlarged = _inner(_enlarged(x, x.shape[-1]), 1, edges)  # of two rows, one is reached to
        return self.convolution(enlarged, edges) + _enlarged(_inner(x, 1, edges), outputs)


class VAEDecoderModel:
    """The whole decoder, loaded."""

    def __init__(self, config: VAEConfig, tensors: Tensors) -> None:
        """Of the folder's tensors; nothing is computed yet."""
        channels = config.decoder_block_out_channels
        self._dtype = tensors.dtype
        self._repeats = channels[-1] // config.latent_channels
        self._first = convolution("conv_in", tensors)
        self._blocks: list[Block] = []
        for stage in reversed(range(len(channels))):
            layers = config.decoder_layers_per_block[stage]
            names = [f"up_blocks.{stage}.{index}." for index in range(layers + 1)]
            if stage < len(channels) - 1 and layers > 0:
                self._blocks.append(Upsampling(convolution(f"{names.pop(0)}conv", tensors)))
            make = _res_block if config.decoder_block_types[stage] == "ResBlock" else _vit_block
            self._blocks += [make(name, config, stage, tensors) for name in names[:layers]]
        self._norm = _norm("norm_out", tensors)
        self._last = convolution("conv_out", tensors)

    def __call__(self, latent: MXArray) -> MXArray:
        """A latent [1, S, S, C], divided by the scaling factor, to [1, S·f, S·f, 3] in float32."""
        x = latent.astype(self._dtype)
        x = self._first(x) + mx.repeat(x, self._repeats, axis=-1)
        bands = split(x, x.shape[2] * x.shape[3])
        del x
        for block in self._blocks:
            bands = block(bands)
        return joined(by_bands(bands, 1, 1, self._rows))

    def _rows(self, x: MXArray, edges: Edges) -> MXArray:
        return self._last(nn.relu(self._norm(x)), edges).astype(mx.float32)


def _inner(x: MXArray, rows: int, edges: Edges) -> MXArray:
    """``x`` without its ``rows`` first and last, where there is no edge."""
    above, below = (0 if edge else rows for edge in edges)
    return x[:, above : x.shape[1] - below]


def _enlarged(x: MXArray, outputs: int) -> MXArray:
    """[1, H, W, I] to [1, 2H, 2W, ``outputs``], in one copy.

    Of the I channels, each repeated until they are four times ``outputs``, four in a row become
    the four pixels of one channel; for as many outputs that is each pixel four times.
    """
    _, height, width, inputs = x.shape
    repeats = 4 * outputs // inputs
    spread = gcd(repeats, 4)
    if repeats > spread:
        x = mx.repeat(x, repeats // spread, axis=-1)
    x = x.reshape(height, width, outputs, 2 if spread < 4 else 1, 2 if spread < 2 else 1)
    x = mx.broadcast_to(x.transpose(0, 3, 1, 4, 2), (height, 2, width, 2, outputs))
    return x.reshape(1, 2 * height, 2 * width, outputs)


def _norm(name: str, tensors: Tensors) -> BiasedRMSNorm:
    return BiasedRMSNorm(tensors.array(f"{name}.weight"), tensors.array(f"{name}.bias"))


def _res_block(at: str, config: VAEConfig, stage: int, tensors: Tensors) -> ResBlock:
    return ResBlock(
        convolution(f"{at}conv1", tensors),
        convolution(f"{at}conv2", tensors),
        _norm(f"{at}norm", tensors),
    )


def _vit_block(at: str, config: VAEConfig, stage: int, tensors: Tensors) -> EfficientViTBlock:
    attention = f"{at}attn."
    parts = [tensors.array(f"{attention}to_{part}.weight") for part in "qkv"]
    scales = []
    for index in range(len(config.decoder_qkv_multiscales[stage])):
        scale = f"{attention}to_qkv_multiscale.{index}."
        matrices = tensors.array(f"{scale}proj_out.weight").flatten(1)
        width = matrices.shape[-1]
        matrices = mx.contiguous(matrices.reshape(-1, width, width).swapaxes(1, 2))
        scales.append(Surroundings(tensors.array(f"{scale}proj_in.weight"), matrices))
    return EfficientViTBlock(
        MultiscaleLinearAttention(
            Matrix(mx.concatenate(parts)),
            tuple(scales),
            Matrix(tensors.array(f"{attention}to_out.weight")),
            _norm(f"{attention}norm_out", tensors),
            config.attention_head_dim,
        ),
        GatedConvolution(
            pixelwise(f"{at}conv_out.conv_inverted", tensors),
            depthwise(f"{at}conv_out.conv_depth", tensors),
            pixelwise(f"{at}conv_out.conv_point", tensors),
            _norm(f"{at}conv_out.norm", tensors),
        ),
    )
