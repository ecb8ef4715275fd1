"""Convolutions on MLX, and pictures in bands of rows: what both image models share.

Everything is channels last. A picture of many channels is computed one band after the other, and
what a band was computed from is let go of: an activation of the decoder has 67 MB in half
precision at 512 pixels, and hardly more than one may lie beside 1.9 GB of weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mlx.core as mx

from mobileo_export.runtimes.mlx.layers import Matrix, MXArray, on_cpu

if TYPE_CHECKING:
    from mobileo_export.runtimes.mlx.layers import Tensors

Edges = tuple[bool, bool]  # whether the picture ends above a band, and below it
WHOLE: Edges = (True, True)
# Values of one activation of a band: 2 MB in half precision.
BAND = 1 << 20
# MLX's CPU kernel copies each pixel's patch into float32: as many values at a time.
_PATCHES = 1 << 21


@dataclass(frozen=True)
class Convolution:
    """A convolution that keeps a picture's size, or divides it by ``stride``.

    ``weight`` is [O, k, k, I] with an odd k, turned by half a turn where ``flipped``.
    """

    weight: MXArray
    bias: MXArray | None = None
    stride: int = 1
    groups: int = 1
    flipped: bool = False

    def __call__(self, x: MXArray, edges: Edges = WHOLE) -> MXArray:
        """[1, H, W, I] to [1, H/stride, W/stride, O].

        Beyond an edge are zeros. Where a band has none, the rows that its kernel reaches to are
        taken from it: the result is as many rows shorter.
        """
        kernel, height = self.weight.shape[1], x.shape[1]
        above, below = (kernel // 2 if edge else 0 for edge in edges)
        rows = (height + above + below - kernel) // self.stride + 1
        step = self._at_once(x, rows)
        parts = []
        for start in range(0, rows, step):
            low = self.stride * start - above
            high = self.stride * (min(start + step, rows) - 1) - above + kernel
            zeros = max(-low, 0), max(high - height, 0)
            parts.append(self._convolved(x[:, max(low, 0) : min(high, height)], zeros))
            if step < rows:
                mx.eval(parts)
        return parts[0] if len(parts) == 1 else mx.concatenate(parts, axis=1)

    def _at_once(self, x: MXArray, rows: int) -> int:
        if self.groups > 1 or not on_cpu():
            return rows
        patches: int = x.shape[2] // self.stride * self.weight[0].size
        return max(1, min(rows, _PATCHES // patches))

    def _convolved(self, x: MXArray, zeros: tuple[int, int]) -> MXArray:
        side = self.weight.shape[2] // 2
        result = mx.conv_general(
            x,
            self.weight,
            stride=self.stride,
            padding=((zeros[0], side), (zeros[1], side)),
            groups=self.groups,
            flip=self.flipped,
        )
        return result if self.bias is None else result + self.bias


@dataclass(frozen=True)
class DepthwiseConvolution:
    """A convolution of each channel for itself, into one or more channels.

    One of ``parts`` makes the first channel of each, another the second: Metal's depthwise kernel
    makes one channel of one, and is the only fast one there.
    """

    parts: tuple[Convolution, ...]
    bias: MXArray | None = None

    def __call__(self, x: MXArray, edges: Edges = WHOLE) -> MXArray:
        """[1, H, W, C] to [1, H/stride, W/stride, O], where O is a multiple of C."""
        made = [part(x, edges) for part in self.parts]
        result = made[0] if len(made) == 1 else mx.stack(made, axis=-1).flatten(-2)
        return result if self.bias is None else result + self.bias


def convolution(name: str, tensors: Tensors, stride: int = 1) -> Convolution:
    """The convolution ``name`` of all channels, with its bias if it has one.

    Metal would compute one of 3 x 3 as Winograd's F(6, 3), and keep its intermediates in the
    operands' type (``winograd_conv_2d`` in ``conv.metal``): in half precision that is 35 times
    less exact, and 57 times a value leaves its range from 1150 on. A flipped kernel is computed
    directly, with sums in float32.
    """
    weight = tensors.array(f"{name}.weight")
    flipped = weight.shape[1] > 1 and not on_cpu()
    if flipped:
        weight = mx.contiguous(weight[:, ::-1, ::-1])
    return Convolution(weight, _bias(name, tensors), stride, flipped=flipped)


def depthwise(
    name: str, tensors: Tensors, multiplier: int = 1, stride: int = 1
) -> DepthwiseConvolution:
    """The convolution ``name`` of each channel for itself, into ``multiplier`` channels."""
    weight = tensors.array(f"{name}.weight")
    groups = weight.shape[0] // multiplier
    parts = tuple(
        Convolution(mx.contiguous(weight[index::multiplier]), None, stride, groups)
        for index in range(multiplier)
    )
    return DepthwiseConvolution(parts, _bias(name, tensors))


def pixelwise(name: str, tensors: Tensors) -> Matrix:
    """The convolution ``name`` [O, 1, 1, I] of single pixels, as a linear layer."""
    return Matrix(tensors.array(f"{name}.weight").flatten(1), _bias(name, tensors))


def _bias(name: str, tensors: Tensors) -> MXArray | None:
    return tensors.array(f"{name}.bias") if tensors.has(f"{name}.bias") else None


def at_once(values: int) -> int:
    """How many rows, or whatever else has as many ``values``, are computed at a time."""
    return max(1, BAND // values)


def split(x: MXArray, values: int, step: int = 1) -> list[MXArray]:
    """``x`` [1, H, W, C] in bands of about the same height, one after the other.

    Args:
        x: a picture.
        values: how many an activation has in one of its rows.
        step: that the height of each is a multiple of, as H is.
    """
    units = x.shape[1] // step
    count = min(units, -(-x.shape[1] // max(4, at_once(values))))
    if count <= 1:
        return [x]
    return list(mx.split(x, [units * i // count * step for i in range(1, count)], axis=1))


def by_bands(
    bands: list[MXArray],
    above: int,
    below: int,
    compute: Callable[[MXArray, Edges], MXArray],
) -> list[MXArray]:
    """What ``compute`` makes of each band, given rows of its neighbours around it.

    Args:
        bands: emptied on the way, so that nobody else need hold them.
        above: rows of the band before, where there is one.
        below: rows of the band after.
        compute: is called with the rows and with which of them end at the picture's edge.
    """
    made = []
    last = len(bands) - 1
    for index in range(len(bands)):
        rows = [bands[index]]
        if index > 0:
            if above:
                rows.insert(0, bands[index - 1][:, -above:])
            bands[index - 1] = None
        if index < last and below:
            rows.append(bands[index + 1][:, :below])
        result = compute(joined(rows), (index == 0, index == last))
        mx.eval(result)
        made.append(result)
    bands.clear()
    return made


def joined(bands: list[MXArray]) -> MXArray:
    """The bands as one picture."""
    return bands[0] if len(bands) == 1 else mx.concatenate(bands, axis=1)


def evaluated(x: MXArray) -> MXArray:
    """``x``, computed now, so that what it was computed from can go."""
    mx.eval(x)
    return x
