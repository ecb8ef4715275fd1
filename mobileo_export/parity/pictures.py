"""Pictures for the vision encoder: one that is drawn, and two photographs that are shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mobileo_export import assets
from mobileo_export.pipelines import images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.recipe import Preprocessing

# A square portrait, a wide still life.
PHOTOGRAPHS = ("cat", "coffee")


def drawn(size: int) -> NDArray[np.float32]:
    """A picture like a photograph of a page: gradients, shapes, lines of text-like strokes.

    Returns:
        [3, size, size] float32 in 0 to 1; the same values on every machine.
    """
    y, x = np.mgrid[0:size, 0:size] / size
    picture = np.stack([0.2 + 0.6 * x, 0.7 - 0.5 * y, 0.3 + 0.4 * (x + y) / 2])
    disc = (x - 0.3) ** 2 + (y - 0.3) ** 2 < 0.04
    picture[:, disc] = np.array([[0.9], [0.15], [0.1]])
    picture[:, (np.abs(x - 0.72) < 0.15) & (np.abs(y - 0.28) < 0.1)] = [[0.1], [0.3], [0.85]]
    page = (y > 0.55) & (y < 0.95) & (x > 0.1) & (x < 0.9)
    picture[:, page] = 0.95
    random = np.random.default_rng(7)
    strokes = random.random((20, 64)) < 0.45  # of two rows of the grid, every second stays white
    row = np.clip(((y - 0.55) / 0.4 * 40).astype(int), 0, 39)
    column = np.clip(((x - 0.1) / 0.8 * 64).astype(int), 0, 63)
    picture[:, page & (row % 2 == 0) & strokes[row // 2, column]] = 0.05
    rounded: NDArray[np.float32] = (np.round(picture * 255) / 255).astype(np.float32)
    return rounded


def photographs(preprocessing: Preprocessing) -> dict[str, NDArray[np.float32]]:
    """The photographs by name, prepared as the recipe says: [3, S, S] each.

    Raises:
        UsageError: this installation lacks one.
    """
    return {
        name: images.prepare(images.read(assets.photograph(name)), preprocessing)
        for name in PHOTOGRAPHS
    }
