"""One tensor of a component's folder: where it comes from, and how MLX wants it laid out.

MLX is channels last: a convolution is ``[out, height, width, in]``. One that looks at a single
pixel is a linear layer, ``[out, in]``, so that it can be quantized.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.safetensors_file import Shape

    Values = NDArray[np.float32]


_TABLE = "scale_shift_table"  # ends the name of a matrix that multiplies nothing


@dataclass(frozen=True)
class ComponentTensor:
    """A tensor of a folder. Names are the checkpoint's without the component's prefix.

    Attributes:
        target: its name in the folder.
        shape: in the folder, before quantization.
        sources: what it is made of.
        make: of their values, in that order, its values.
        back: of its values, those of sources with which a reference computes the same.
        matrix: whether it multiplies tokens or pixels, and could be quantized.
    """

    target: str
    shape: Shape
    sources: tuple[str, ...]
    make: Callable[..., Values]
    back: Callable[[Values], Mapping[str, Values]]
    matrix: bool = False


def plain(name: str, shape: Shape) -> ComponentTensor:
    """A tensor as it is."""
    return ComponentTensor(
        name, shape, (name,), lambda values: values, lambda values: {name: values}
    )


def linear(name: str, shape: Shape) -> ComponentTensor:
    """A matrix ``[out, in]``, also of a convolution ``[out, in, 1, …]`` of one pixel."""
    if prod(shape[2:]) != 1:
        raise ValueError(f"{name}: {list(shape)} looks at more than one pixel")
    flat = shape[:2]
    return ComponentTensor(
        name,
        flat,
        (name,),
        lambda values: values.reshape(flat),
        lambda values: {name: values.reshape(shape)},
        matrix=True,
    )


def convolution(name: str, shape: Shape) -> ComponentTensor:
    """The kernel ``[out, in, …]`` of a convolution in one or two dimensions: ``[out, …, in]``."""
    return ComponentTensor(
        name,
        (shape[0], *shape[2:], shape[1]),
        (name,),
        channels_last,
        lambda values: {name: channels_first(values)},
    )


def of_tokens(tensors: Mapping[str, Shape]) -> list[ComponentTensor]:
    """Those of a component that computes with tokens: most of its matrices are linear layers."""

    def made(name: str, shape: Shape) -> ComponentTensor:
        if name.endswith(_TABLE) or len(shape) < 2:
            return plain(name, shape)
        # Depthwise kernels, and the patches of a transformer that has larger ones than a pixel.
        return linear(name, shape) if prod(shape[2:]) == 1 else convolution(name, shape)

    return [made(name, shape) for name, shape in tensors.items()]


def of_pixels(tensors: Mapping[str, Shape]) -> list[ComponentTensor]:
    """Those of one that computes with pictures: convolutions of one pixel too have four axes."""
    return [
        convolution(name, shape) if len(shape) == 4 else plain(name, shape)
        for name, shape in tensors.items()
    ]


def channels_last(values: Values) -> Values:
    """``[out, in, …]`` as ``[out, …, in]``."""
    return np.ascontiguousarray(np.moveaxis(values, 1, -1))


def channels_first(values: Values) -> Values:
    """The inverse of :func:`channels_last`."""
    return np.ascontiguousarray(np.moveaxis(values, -1, 1))
