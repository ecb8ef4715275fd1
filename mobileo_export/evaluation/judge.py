"""Reads a drawn picture: which shapes, of which colors, where, on which background.

Works on what a decoder returns, with soft edges and a little noise. Tested on drawn pictures and
on damaged ones: what is no shape of this world is reported as ``unknown``, never left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.evaluation import scenes
from mobileo_export.evaluation.scenes import BACKGROUNDS, COLORS, SHAPES, SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = "unknown"
# Pixels of a connected patch below which it is dirt: the smallest shape has 130.
_LEAST_AREA = 40
# The part of template and patch together that they must share.
_LEAST_OVERLAP = 0.75
_MARGIN = 3  # pixels of the border from which the background is read
_FAR = 75.0  # RGB distance from the background beyond which a pixel belongs to a thing
_NEAR_PALETTE = 95.0  # how far a color may be from the nearest known one


@dataclass(frozen=True)
class Seen:
    """One patch: its shape and color (or ``unknown``), center and half its larger side."""

    shape: str
    color: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Sight:
    """What a picture shows: the things ordered from left to right."""

    things: tuple[Seen, ...]
    background: str


def look(pixels: NDArray[np.uint8]) -> Sight:
    """What is in a picture [SIZE, SIZE, 3] uint8.

    Raises:
        ValueError: the picture has another size.
    """
    if pixels.shape != (SIZE, SIZE, 3):
        raise ValueError(f"the judge reads {SIZE} x {SIZE} RGB pictures, not {pixels.shape}")
    picture = _median(pixels.astype(np.float32))
    ground = _ground(picture)
    grounds = list(BACKGROUNDS)
    distance = np.linalg.norm(np.array(list(BACKGROUNDS.values())) - ground, axis=1)
    nearest = int(distance.argmin())
    background = grounds[nearest] if distance[nearest] < _FAR else UNKNOWN
    palette = np.array(list(COLORS.values()), np.float32)
    away = np.linalg.norm(picture - ground, axis=2)
    to_color = np.linalg.norm(picture[:, :, None] - palette, axis=3)
    foreground = away > _FAR
    label = np.where(foreground, to_color.argmin(axis=2), -1)
    found = []
    for index, color in enumerate(COLORS):
        for patch in patches(_opened(label == index)):
            whole = _whole(patch, pixels, ground, palette[index])
            found.append(_thing(whole, color, float(np.median(to_color[:, :, index][patch]))))
    found.sort(key=lambda thing: (thing.x, thing.y))
    return Sight(tuple(found), background)


def patches(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The connected parts (by edges) of a mask, those of dirt left out."""
    left = mask.copy()
    parts = []
    while left.any():
        start = np.zeros_like(left)
        start[np.unravel_index(int(left.argmax()), left.shape)] = True
        part = _connected(start, left)
        left &= ~part
        if part.sum() >= _LEAST_AREA:
            parts.append(part)
    return parts


def _connected(start: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What of a mask is reached from ``start``."""
    part = start
    while True:
        grown = _grown(part) & mask
        if (grown == part).all():
            return part
        part = grown


def _whole(
    patch: NDArray[np.bool_],
    pixels: NDArray[np.uint8],
    ground: NDArray[np.float32],
    color: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """The patch with the edge and the corners that filtering took: where color outweighs ground."""
    axis = color - ground
    share = (pixels.astype(np.float32) - ground) @ axis / float(axis @ axis)
    around = _grown(_grown(_grown(patch)))
    return _connected(patch, patch | (around & (share > 0.5)))


def _thing(patch: NDArray[np.bool_], color: str, off_color: float) -> Seen:
    rows, columns = (np.flatnonzero(patch.any(axis=axis)) for axis in (1, 0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    x, y = (left + right) / 2, (top + bottom) / 2
    half = max(right - left, bottom - top) / 2
    if off_color > _NEAR_PALETTE:
        color = UNKNOWN
    return Seen(_shape(patch), color, float(x), float(y), float(half))


def _shape(patch: NDArray[np.bool_]) -> str:
    """The shape whose template, stretched over the patch's box, overlaps it best."""
    rows, columns = (np.flatnonzero(patch.any(axis=axis)) for axis in (1, 0))
    box = patch[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = box.shape
    if not 0.6 < width / height < 1 / 0.6:
        return UNKNOWN
    u = ((np.arange(width) + 0.5) / width * 2 - 1).astype(np.float32)[None]
    v = ((np.arange(height) + 0.5) / height * 2 - 1).astype(np.float32)[:, None]
    overlaps = {}
    for shape in SHAPES:
        template = scenes.contains(shape, u, v)
        overlaps[shape] = float((template & box).sum() / (template | box).sum())
    best = max(overlaps, key=lambda shape: overlaps[shape])
    return best if overlaps[best] >= _LEAST_OVERLAP else UNKNOWN


def _ground(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    border = np.ones((SIZE, SIZE), bool)
    border[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = False
    ground: NDArray[np.float32] = np.median(picture[border], axis=0)
    return ground


def _median(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 3 × 3 median of each channel: takes away single pixels, keeps edges."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    shifted = [padded[dy : dy + SIZE, dx : dx + SIZE] for dy in range(3) for dx in range(3)]
    middle: NDArray[np.float32] = np.median(np.stack(shifted), axis=0)
    return middle


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def _opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without lines of one or two pixels, such as the mixed colors along an edge."""
    shrunk = ~_grown(~np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    return _grown(shrunk) & mask
