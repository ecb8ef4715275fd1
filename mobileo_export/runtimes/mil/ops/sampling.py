"""Sampling images at computed positions: ``resample``, ``affine`` and ``crop_resize``.

Positions are in pixels: 0 is the centre of the first pixel, size - 1 that of the last.
"""

from __future__ import annotations

import torch

from mobileo_export.artifacts.mlpackage.limits import guard

from .image import grid
from .registry import Tensor, kernel


def _pixels(coordinates: Tensor, size: int, mode: str, align_corners: bool) -> Tensor:
    """Coordinates along one axis as positions in pixels."""
    match mode:
        case "unnormalized":
            return coordinates
        case "normalized_minus_one_to_one":
            unit = (coordinates + 1) / 2
        case "normalized_zero_to_one":
            unit = coordinates
        case _:
            raise ValueError(f"unknown coordinates mode {mode!r}")
    return unit * (size - 1) if align_corners else unit * size - 0.5


def _mirrored(positions: Tensor, low: float, high: float) -> Tensor:
    """Positions reflected at ``low`` and ``high`` until they lie between them."""
    span = high - low
    if span <= 0:
        return torch.zeros_like(positions)
    offset = torch.remainder(positions - low, 2 * span)
    return low + torch.where(offset > span, 2 * span - offset, offset)


def _contained(positions: Tensor, size: int, padding: str) -> Tensor:
    """Positions after ``padding``; with constant padding they may stay outside."""
    match padding:
        case "constant":
            return positions
        case "border":
            return positions.clamp(0, size - 1)
        case "reflection":
            return _mirrored(positions, 0, size - 1)
        case "symmetric":
            return _mirrored(positions, -0.5, size - 0.5).clamp(0, size - 1)
        case _:
            raise ValueError(f"unknown padding mode {padding!r}")


def _pick(x: Tensor, rows: Tensor, columns: Tensor, outside: float) -> Tensor:
    """Pixels of x [B, C, H, W] at whole positions [B, h, w]; ``outside`` beyond the image."""
    batch, channels, height, width = x.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = rows.clamp(0, height - 1).long() * width + columns.clamp(0, width - 1).long()
    table = x.reshape(batch, channels, height * width)
    picked = torch.take_along_dim(table, flat.reshape(batch, 1, -1), 2)
    picked = picked.reshape(batch, channels, *rows.shape[1:])
    return torch.where(inside[:, None], picked, torch.tensor(outside, dtype=x.dtype))


def _sample(x: Tensor, rows: Tensor, columns: Tensor, mode: str, outside: float) -> Tensor:
    """Sample x [B, C, H, W] at fractional positions [B, h, w] -> [B, C, h, w]."""
    guard([*x.shape[:2], *rows.shape[1:]])
    if mode == "nearest":
        return _pick(x, rows.round(), columns.round(), outside)
    if mode != "bilinear":
        raise ValueError(f"unknown sampling mode {mode!r}")
    top, left = rows.floor(), columns.floor()
    down, right = (rows - top)[:, None], (columns - left)[:, None]
    upper = torch.lerp(
        _pick(x, top, left, outside), _pick(x, top, left + 1, outside), right.to(x.dtype)
    )
    lower = torch.lerp(
        _pick(x, top + 1, left, outside), _pick(x, top + 1, left + 1, outside), right.to(x.dtype)
    )
    return torch.lerp(upper, lower, down.to(x.dtype))


@kernel("resample")
def resample(
    x: Tensor,
    coordinates: Tensor,
    *,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    """Sample x [B, C, H, W] at coordinates [B, h, w, (x, y)]."""
    height, width = x.shape[2:]
    points = coordinates.float()
    columns = _pixels(points[..., 0], width, coordinates_mode, align_corners)
    rows = _pixels(points[..., 1], height, coordinates_mode, align_corners)
    rows, columns = _contained(rows, height, padding_mode), _contained(columns, width, padding_mode)
    return _sample(x, rows, columns, sampling_mode.lower(), padding_value)


@kernel("affine")
def affine(
    x: Tensor,
    transform_matrix: Tensor,
    *,
    output_height: int,
    output_width: int,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    """The pixel at (x, y) is that at the transformed (x', y'), in normalized coordinates."""
    guard([x.shape[0], output_height, output_width, 2])
    matrix = transform_matrix.reshape(-1, 2, 3)
    across = _span(output_width, align_corners)
    along = _span(output_height, align_corners)
    y, x_ = torch.meshgrid(along, across, indexing="ij")
    points = torch.stack([x_, y, torch.ones_like(y)], -1)  # [h, w, 3]
    moved = torch.einsum("hwk,bjk->bhwj", points, matrix)
    return resample(
        x,
        moved.expand(x.shape[0], -1, -1, -1),
        sampling_mode=sampling_mode,
        padding_mode=padding_mode,
        padding_value=padding_value,
        coordinates_mode=coordinates_mode,
        align_corners=align_corners,
    )


def _span(count: int, align_corners: bool) -> Tensor:
    """Normalized coordinates in [-1, 1] of ``count`` pixels."""
    if align_corners:
        return torch.linspace(-1, 1, count)
    return (2 * torch.arange(count) + 1) / count - 1


@kernel("crop_resize")
def crop_resize(
    x: Tensor,
    roi: Tensor | None = None,
    boxes: Tensor | None = None,
    box_indices: Tensor | None = None,
    *,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0.0,
) -> Tensor:
    """Cut boxes out of x [B, C, H, W] and resize them bilinearly.

    From iOS 17 on: boxes [N, 4] with image indices [N] -> [N, C, h, w]. Before: roi [N, 1, 4, 1, 1]
    for all images -> [N, B, C, h, w], or [N, 1, 5, 1, 1] with an image index -> [N, 1, C, h, w].
    """
    batch = x.shape[0]
    every_image = False
    if boxes is None:
        if roi is None:
            raise ValueError("boxes are missing")
        flat = roi.reshape(roi.shape[0], -1)
        every_image = flat.shape[1] == 4
        boxes = flat[:, -4:]
        box_indices = None if every_image else flat[:, 0]
    if every_image:
        images = torch.arange(batch).repeat(boxes.shape[0])
        boxes = boxes.repeat_interleave(batch, 0)
    elif box_indices is None:
        images = torch.arange(boxes.shape[0])
    else:
        images = box_indices.long()
    top, left, bottom, right = _corners(boxes.float(), box_coordinate_mode)
    scale_y, scale_x = spatial_scale, spatial_scale
    if normalized_coordinates:
        scale_y, scale_x = scale_y * (x.shape[2] - 1), scale_x * (x.shape[3] - 1)
    rows = grid(sampling_mode, top * scale_y, bottom * scale_y, target_height)
    columns = grid(sampling_mode, left * scale_x, right * scale_x, target_width)
    guard([len(images), *x.shape[1:]])
    shape = (len(images), target_height, target_width)
    guard([*shape, x.shape[1]])
    rows, columns = rows[:, :, None].expand(shape), columns[:, None, :].expand(shape)
    last_row, last_column = x.shape[2] - 1, x.shape[3] - 1
    inside = (rows >= 0) & (rows <= last_row) & (columns >= 0) & (columns <= last_column)
    crops = _sample(
        x.index_select(0, images),
        rows.clamp(0, last_row),
        columns.clamp(0, last_column),
        "bilinear",
        0.0,
    )
    # As TensorFlow's crop_and_resize: positions outside take the value unmixed.
    crops = torch.where(inside[:, None], crops, torch.tensor(pad_value, dtype=x.dtype))
    if roi is None:
        return crops
    return crops.reshape(roi.shape[0], -1, *crops.shape[1:])


def _corners(boxes: Tensor, mode: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Top, left, bottom and right of boxes [N, 4]."""
    a, b, c, d = boxes.unbind(1)
    match mode:
        case "CORNERS_HEIGHT_FIRST":
            return a, b, c, d
        case "CORNERS_WIDTH_FIRST":
            return b, a, d, c
        case "CENTER_SIZE_HEIGHT_FIRST":
            return a - c / 2, b - d / 2, a + c / 2, b + d / 2
        case "CENTER_SIZE_WIDTH_FIRST":
            return b - d / 2, a - c / 2, b + d / 2, a + c / 2
        case _:
            raise ValueError(f"unknown box coordinate mode {mode!r}")
