"""FastViTHD on MLX, as timm's ``FastVit`` computes it, in bands of rows where it is wide.

A normalisation lies in the convolution before it, the scale of a layer in its last matrix:
``artifacts/mlx/vision_encoder.py`` has what the folder holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import mlx.core as mx
from mlx import nn

from mobileo_export.checkpoint.model_config import VISION_HEAD_DIM
from mobileo_export.runtimes.mlx.convolutions import (
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
from mobileo_export.runtimes.mlx.layers import LayerNorm, Matrix, MXArray

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import VisionConfig, VisionStage
    from mobileo_export.runtimes.mlx.layers import Tensors

    Layer = Callable[[MXArray], MXArray]


@partial(mx.compile, shapeless=True)
def gelu(x: MXArray) -> MXArray:
    """The exact GELU: in half precision 1 + erf would leave nothing of a value below -3."""
    return nn.gelu(x.astype(mx.float32)).astype(x.dtype)


@dataclass(frozen=True)
class Stem:
    """Three convolutions, the second of each channel for itself, to a quarter of the size."""

    first: Convolution
    second: DepthwiseConvolution
    third: Matrix

    def __call__(self, images: MXArray) -> MXArray:
        """[1, S, S, 3] to [1, S/4, S/4, C]."""
        width = images.shape[2] // 2 * self.third.weight.shape[1] // 2
        # A pixel of the result reaches three rows above its first and none below its last.
        return joined(by_bands(split(images, width, 4), 3, 0, self._rows))

    def _rows(self, images: MXArray, edges: Edges) -> MXArray:
        above = edges[0], False
        x = gelu(self.second(gelu(self.first(images, above)), above))
        return gelu(self.third(x))


@dataclass(frozen=True)
class Downsampling:
    """Half the size, each channel into two or more, then mixed."""

    first: DepthwiseConvolution
    second: Matrix

    def __call__(self, x: MXArray) -> MXArray:
        """[1, H, W, I] to [1, H/2, W/2, O]."""
        return gelu(self.second(gelu(self.first(x))))


@dataclass(frozen=True)
class ConvMLP:
    """A depthwise convolution, then two matrices, all of them scaled and normalised."""

    around: DepthwiseConvolution
    first: Matrix
    second: Matrix

    def __call__(self, x: MXArray) -> MXArray:
        """A picture [1, H, W, C] with the branch added."""
        mixed = evaluated(self.around(x))
        values = x.shape[2] * self.first.weight.shape[0]
        pairs = zip(split(x, values), split(mixed, values), strict=True)
        return joined(
            [evaluated(rows + self.second(gelu(self.first(given)))) for rows, given in pairs]
        )


@dataclass(frozen=True)
class RepMixerBlock:
    """A depthwise convolution in place of the picture, then the MLP."""

    mixer: DepthwiseConvolution
    mlp: ConvMLP

    def __call__(self, x: MXArray) -> MXArray:
        """A picture [1, H, W, C] to one of that size."""
        return self.mlp(evaluated(self.mixer(x)))


@dataclass(frozen=True)
class AttentionBlock:
    """Softmax attention over all pixels, then the MLP."""

    norm: LayerNorm
    projection: Matrix  # q, k and v
    output: Matrix
    mlp: ConvMLP

    def __call__(self, x: MXArray) -> MXArray:
        """A picture [1, H, W, C] to one of that size."""
        return self.mlp(evaluated(x + self._attention(self.norm(x))))

    def _attention(self, x: MXArray) -> MXArray:
        """In float32, some heads at a time: no kernel of MLX fuses attention over heads of 32."""
        _, height, width, channels = x.shape
        heads = self.projection(x).reshape(1, height * width, 3, -1, VISION_HEAD_DIM)
        step = at_once((height * width) ** 2)
        mixed = []
        for start in range(0, heads.shape[3], step):
            some = heads[:, :, :, start : start + step].astype(mx.float32)
            query, key, value = some.transpose(2, 0, 3, 1, 4)
            result = mx.fast.scaled_dot_product_attention(
                query, key, value, scale=VISION_HEAD_DIM**-0.5
            )
            mixed.append(evaluated(result.transpose(0, 2, 1, 3).flatten(2).astype(x.dtype)))
        return self.output(mx.concatenate(mixed, axis=-1).reshape(1, height, width, channels))


@dataclass(frozen=True)
class Expansion:
    """Each channel into two or more, which are weighed by what all pixels have of them."""

    convolution: DepthwiseConvolution
    squeeze: Matrix
    expand: Matrix

    def __call__(self, x: MXArray) -> MXArray:
        """[1, H, W, C] to [1, H, W, F]."""
        x = self.convolution(x)
        mean = x.astype(mx.float32).mean(axis=(1, 2), keepdims=True).astype(x.dtype)
        return gelu(x * mx.sigmoid(self.expand(nn.relu(self.squeeze(mean)))))


class VisionEncoderModel:
    """The whole tower, loaded."""

    def __init__(self, config: VisionConfig, tensors: Tensors) -> None:
        """Of the folder's tensors; nothing is computed yet."""
        self._dtype = tensors.dtype
        self._layers: list[Layer] = [
            Stem(
                convolution("stem.0.reparam_conv", tensors, stride=2),
                depthwise("stem.1.reparam_conv", tensors, stride=2),
                pixelwise("stem.2.reparam_conv", tensors),
            )
        ]
        channels = config.stages[0].dim
        for index, stage in enumerate(config.stages):
            self._layers += _stage(f"stages.{index}.", stage, channels, tensors)
            channels = stage.dim
        self._layers.append(
            Expansion(
                depthwise("final_conv.reparam_conv", tensors, config.feature_dim // channels),
                pixelwise("final_conv.se.fc1", tensors),
                pixelwise("final_conv.se.fc2", tensors),
            )
        )

    def __call__(self, images: MXArray) -> MXArray:
        """Pictures [1, S, S, 3] in 0 to 1 to features [1, M, F] in float32, row by row."""
        x = images.astype(self._dtype)
        for layer in self._layers:
            x = evaluated(layer(x))
        return x.flatten(1, 2).astype(mx.float32)


def _stage(at: str, stage: VisionStage, channels: int, tensors: Tensors) -> list[Layer]:
    layers: list[Layer] = []
    if stage.downsample:
        first = depthwise(
            f"{at}downsample.proj.0.reparam_conv", tensors, stage.dim // channels, stride=2
        )
        layers.append(
            Downsampling(first, pixelwise(f"{at}downsample.proj.1.reparam_conv", tensors))
        )
    if stage.position_encoding:
        layers.append(depthwise(f"{at}pos_emb.reparam_conv", tensors))
    make = _attention_block if stage.attention else _mixer_block
    return layers + [make(f"{at}blocks.{index}.", tensors) for index in range(stage.num_blocks)]


def _mixer_block(at: str, tensors: Tensors) -> RepMixerBlock:
    return RepMixerBlock(depthwise(f"{at}token_mixer.reparam_conv", tensors), _mlp(at, tensors))


def _attention_block(at: str, tensors: Tensors) -> AttentionBlock:
    return AttentionBlock(
        tensors.layer_norm(f"{at}norm"),
        Matrix(tensors.array(f"{at}token_mixer.qkv.weight")),
        Matrix(
            tensors.array(f"{at}token_mixer.proj.weight"),
            tensors.array(f"{at}token_mixer.proj.bias"),
        ),
        _mlp(at, tensors),
    )


def _mlp(at: str, tensors: Tensors) -> ConvMLP:
    return ConvMLP(
        depthwise(f"{at}mlp.conv.conv", tensors),
        pixelwise(f"{at}mlp.fc1", tensors),
        pixelwise(f"{at}mlp.fc2", tensors),
    )
