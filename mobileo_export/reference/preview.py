"""A linear map from the channels of a latent to colors: what a decoder would draw, at no cost.

Latents of one place are decoded, and the mean red, green and blue of what comes is fitted to their
channels by least squares. Which latents: the rows of random rotations from a generator with a fixed
seed, as long as latents are, each followed by its opposite. Such a set tells most for its number,
and 64 places cost a quarter of one picture of the released model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DECODES = 64  # or as many as one rotation and its opposite take
_BATCH = 8
_RIDGE = 1e-3
_DIGITS = 5  # of which two machines make the same


def fit(decoder: torch.nn.Module, channels: int, deviation: float) -> dict[str, Any] | None:
    """The map of ``decoder``, as a manifest states it.

    Args:
        decoder: latents [N, C, 1, 1] to images [N, 3, f, f], about -1 to 1.
        channels: C.
        deviation: of the values in a latent that it is given.

    Returns:
        ``matrix`` [3, C] and ``offset`` [3]: matrix · latent + offset is the color of a place, and
        ``explained``, the share of the variance of the fitted colors that it gives back. None of a
        decoder that gives no numbers.
    """
    latents = deviation * _rotations(channels)
    parts = np.array_split(latents, -(-len(latents) // _BATCH))
    colors = np.concatenate([_colors(decoder, part) for part in parts])
    if not np.isfinite(colors).all():
        return None
    inputs = np.concatenate([latents, np.ones((len(latents), 1))], 1)
    moments = inputs.T @ inputs + _RIDGE * np.eye(channels + 1)
    weights = np.linalg.solve(moments, inputs.T @ colors)
    missed = float(np.square(colors - inputs @ weights).sum())
    spread = float(np.square(colors - colors.mean(0)).sum())
    rounded = np.round(weights.T, _DIGITS) + 0.0  # no negative zero
    return {
        "matrix": rounded[:, :-1].tolist(),
        "offset": rounded[:, -1].tolist(),
        "explained": round(max(0.0, 1 - missed / spread), 3) if spread > 0 else 1.0,
    }


def _rotations(channels: int) -> NDArray[np.float64]:
    """Values [N, C] of variance 1, no two channels correlated."""
    generator = np.random.Generator(np.random.Philox(0))
    found = []
    for _ in range(max(1, _DECODES // (2 * channels))):
        rotation, _ = np.linalg.qr(generator.standard_normal((channels, channels)))
        found += [rotation, -rotation]
    values: NDArray[np.float64] = np.sqrt(channels) * np.concatenate(found)
    return values


def _colors(decoder: torch.nn.Module, latents: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean color [N, 3] of what becomes of ``latents`` [N, C], as far as it can be shown."""
    with torch.inference_mode():
        images = decoder(torch.from_numpy(latents.astype(np.float32))[:, :, None, None])
    colors: NDArray[np.float64] = images.clamp(-1, 1).double().mean((2, 3)).numpy()
    return colors
