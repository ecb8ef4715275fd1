"""Convolutions of one to three spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from mobileo_export.artifacts.mlpackage.limits import guard

from .padding import explicit, flat, symmetric
from .registry import Ints, Tensor, kernel

if TYPE_CHECKING:
    import torch

_CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


@kernel("conv")
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation: x [n, C_in, *D], weight [C_out, C_in / groups, *K], bias [C_out]."""
    rank = x.ndim - 2
    strides = strides or [1] * rank
    dilations = dilations or [1] * rank
    window = _extent(weight, dilations)
    pads = explicit(pad_type, pad, x.shape[2:], window, strides)
    guard([x.shape[0] * x.shape[1], *_padded(x, pads)])
    if symmetric(pads):
        padding = [before for before, _ in pads]
    else:
        x, padding = functional.pad(x, flat(pads)), [0] * rank
    return _CONV[rank](x, weight, bias, strides, padding, dilations, groups)


@kernel("conv_transpose")
def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    pad: Ints | None = None,
    output_shape: Ints | None = None,
    pad_type: str = "valid",
    strides: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Tensor:
    """Transposed convolution: x [n, C_in, *D], weight [C_in, C_out / groups, *K].

    The full result is cut to the documented size: ``pad`` of it on either side for ``custom``,
    ``D * strides`` for ``same``, and ``output_shape`` wherever that is given.
    """
    rank = x.ndim - 2
    strides = strides or [1] * rank
    dilations = dilations or [1] * rank
    window = _extent(weight, dilations)
    full = [
        (size - 1) * stride + extent
        for size, stride, extent in zip(x.shape[2:], strides, window, strict=True)
    ]
    guard([x.shape[0], weight.shape[1] * groups, *full])
    crops = _crops(
        pad_type,
        pad=pad,
        sizes=x.shape[2:],
        full=full,
        strides=strides,
        output_shape=output_shape,
    )
    y = _TRANSPOSED[rank](x, weight, None, strides, 0, 0, groups, dilations)
    # Cutting is padding by a negative amount; beyond the full result there are only zeros.
    y = functional.pad(y, flat([(-before, -after) for before, after in crops]))
    return y if bias is None else y + bias.reshape([1, -1] + [1] * rank)


def _crops(
    pad_type: str,
    *,
    pad: Ints | None,
    sizes: torch.Size,
    full: Ints,
    strides: Ints,
    output_shape: Ints | None,
) -> list[tuple[int, int]]:
    """What to cut before and after each axis of the full transposed convolution."""
    if output_shape is not None:
        wanted = output_shape[2:]
    elif pad_type in ("same", "same_lower"):
        wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    else:
        wanted = None
    if pad_type == "custom":
        crops = explicit("custom", pad, sizes, full, strides)
        if wanted is not None:
            crops = [
                (before, size - before - want)
                for (before, _), size, want in zip(crops, full, wanted, strict=True)
            ]
        return crops
    if wanted is None:
        return [(0, 0)] * len(full)
    if pad_type == "valid":
        return [(0, size - want) for size, want in zip(full, wanted, strict=True)]
    crops = []
    for size, want in zip(full, wanted, strict=True):
        total = size - want
        less = total // 2 if total >= 0 else 0
        crops.append((less, total - less) if pad_type == "same" else (total - less, less))
    return crops


def _extent(weight: Tensor, dilations: Ints) -> Ints:
    return [
        (size - 1) * dilation + 1
        for size, dilation in zip(weight.shape[2:], dilations, strict=True)
    ]


def _padded(x: Tensor, pads: list[tuple[int, int]]) -> Ints:
    return [size + before + after for size, (before, after) in zip(x.shape[2:], pads, strict=True)]
