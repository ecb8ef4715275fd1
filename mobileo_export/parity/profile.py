"""Where an error lies: the errors of an output's slices, few enough of them to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity import metrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.components import Layout

STRIP = 64  # columns of a row of tokens or channels
GRID = 16  # rows and columns of patches
MAX_ROWS = 16


@dataclass(frozen=True)
class Profile:
    """The slice errors of one family, as rows and columns; a cell is the worst of its slices.

    Attributes:
        family: token, channel or patch.
        size: the index's shape before slices were put together.
        rows: of cells.
        columns: of cells.
        errors: row by row, three digits each; infinite where a value is not finite.
    """

    family: str
    size: tuple[int, ...]
    rows: int
    columns: int
    errors: tuple[float, ...]


def profiles(
    reference: NDArray[Any],
    found: NDArray[Any],
    layout: Layout,
    slice_floor: float = metrics.SLICE_FLOOR,
) -> tuple[Profile, ...]:
    """The profile of each family of slices that ``layout`` has.

    An error is what ``metrics.SliceError`` says. Tokens and channels lie in at most 64 columns, a
    row a leading index (such as the layer); patches in at most 16 by 16.
    """
    truth = np.asarray(reference, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.asarray(found, np.float64) - truth
        return tuple(
            _profile(family, truth, error, layout, slice_floor)
            for family in metrics.FAMILIES[layout]
        )


def _profile(
    family: metrics.Family,
    truth: NDArray[Any],
    error: NDArray[Any],
    layout: Layout,
    slice_floor: float,
) -> Profile:
    cut = metrics.slices(truth, layout, family)
    norms = np.linalg.norm(cut.values, axis=-1)
    errors = np.linalg.norm(metrics.slices(error, layout, family).values, axis=-1)
    floor = slice_floor * np.sqrt((norms**2).mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = errors / np.maximum(norms, floor)
    relative = np.where(errors == 0, 0.0, np.nan_to_num(relative, nan=np.inf, posinf=np.inf))
    columns = cut.shape[-1]
    grid = relative.reshape(-1, columns)
    if family == "patch":
        cells = _pooled(_pooled(grid, GRID, 1), GRID, 0)
    else:
        cells = _pooled(_pooled(grid, STRIP, 1), MAX_ROWS, 0)
    return Profile(
        family,
        cut.shape,
        len(cells),
        cells.shape[1],
        tuple(float(f"{value:.2e}") for value in cells.reshape(-1)),
    )


def _pooled(grid: NDArray[Any], most: int, axis: int) -> NDArray[Any]:
    """At most ``most`` cells along ``axis``, each the largest of those that it stands for."""
    length = grid.shape[axis]
    count = min(length, most)
    starts = [place * length // count for place in range(count)]
    pooled: NDArray[Any] = np.maximum.reduceat(grid, starts, axis)
    return pooled


def cell(index: int, size: int, cells: int) -> int:
    """Which of ``cells`` stands for ``index`` of ``size``."""
    place = index * cells // size
    # The inverse of the starts above, which are rounded down.
    while place + 1 < cells and (place + 1) * size // cells <= index:
        place += 1
    return place
