"""Which tensors the folder of the vision encoder holds, under timm's names.

A convolution holds the batch normalisation after it, and the last matrix of a branch the scale of
its layer. Both are computed in float64.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlx.tensors import (
    ComponentTensor,
    convolution,
    plain,
)
from mobileo_export.checkpoint import expected_tensors
from mobileo_export.reference.timm_names import CLIP_HEAD, timm_name

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import VisionConfig
    from mobileo_export.checkpoint.safetensors_file import Shape

    Wide = np.ndarray[Any, np.dtype[np.float64]]

_EPS = 1e-5  # of timm's batch normalisations
_NORMED = ".conv.conv.weight"  # ends the convolution that one follows
# The end of a matrix, and what may scale its results.
_SCALES = {
    ".convffn.fc2": (".layer_scale", ".layer_scale_2"),
    ".token_mixer.proj": (".layer_scale_1",),
}


def tensors(config: VisionConfig) -> list[ComponentTensor]:
    """Every tensor of a folder; convolutions of one pixel too have four axes."""
    layout = expected_tensors.vision_encoder(config)
    found: list[ComponentTensor] = []
    for name, shape in layout.items():
        target = timm_name(name, config)
        if name == CLIP_HEAD or ".bn." in name or ".layer_scale" in name:
            continue
        if name.endswith(_NORMED):
            found += _normed(name, target, shape)
        elif (scale := _scale(name, layout)) is not None:
            found.append(_scaled(name, scale, target, shape))
        else:
            found.append(_renamed(name, target, shape))
    return found


def _renamed(name: str, target: str, shape: Shape) -> ComponentTensor:
    made = convolution(name, shape) if len(shape) == 4 else plain(name, shape)
    return replace(made, target=target)


def _normed(name: str, target: str, shape: Shape) -> list[ComponentTensor]:
    """A convolution without a bias and the normalisation after it, as one with a bias."""
    norm = name.removesuffix("conv.weight") + "bn."
    gain, bias, mean, variance, count = (
        norm + part
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    )

    def weight(kernel: Any, gain: Any, variance: Any) -> Any:
        return unfolded.make(kernel * _factor(gain, variance).reshape(-1, 1, 1, 1))

    def shift(bias: Any, gain: Any, mean: Any, variance: Any, count: Any) -> Any:
        return bias - mean * _factor(gain, variance)

    ones, zeros = np.ones(shape[0], np.float32), np.zeros(shape[0], np.float32)
    unfolded = _renamed(name, target, shape)
    return [
        replace(
            unfolded,
            sources=(name, gain, variance),
            make=weight,
            back=lambda values: {**unfolded.back(values), gain: ones, variance: ones - _EPS},
        ),
        ComponentTensor(
            target.removesuffix("weight") + "bias",
            shape[:1],
            (bias, gain, mean, variance, count),
            shift,
            lambda values: {bias: values, mean: zeros, count: np.zeros((), np.int64)},
        ),
    ]


def _factor(gain: Any, variance: Any) -> Wide:
    result: Wide = np.asarray(gain, np.float64) / np.sqrt(np.asarray(variance, np.float64) + _EPS)
    return result


def _scale(name: str, layout: expected_tensors.Layout) -> str | None:
    """What scales the results of the layer that ``name`` belongs to, None for most."""
    layer = name.rpartition(".")[0]
    for end, scales in _SCALES.items():
        if layer.endswith(end):
            block = layer.removesuffix(end)
            return next(block + scale for scale in scales if block + scale in layout)
    return None


def _scaled(name: str, scale: str, target: str, shape: Shape) -> ComponentTensor:
    """A matrix, a convolution of one pixel or a bias, each row multiplied."""
    unscaled = _renamed(name, target, shape)

    def make(values: Any, scales: Any) -> Any:
        factors = np.asarray(scales, np.float64).reshape(-1, *(1,) * (len(shape) - 1))
        return unscaled.make(values * factors)

    def back(values: Any) -> dict[str, Any]:
        ones = {scale: np.ones((shape[0], 1, 1), np.float32)} if len(shape) > 1 else {}
        return {**unscaled.back(values), **ones}

    return replace(unscaled, sources=(name, scale), make=make, back=back)
