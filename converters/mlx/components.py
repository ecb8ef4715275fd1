"""Convert a component other than the language model into a folder that MLX loads.

Tensor after tensor is read, laid out as MLX has it, rounded and quantized a part at a time, so that
memory grows with the largest tensor and not with their number.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlx.packed import quantize
from mobileo_export.artifacts.mlx.plan import FLOAT16_BITS
from mobileo_export.checkpoint.files import SINGLE
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from mobileo_export.converters.mlx import structure
from mobileo_export.converters.mlx.config import CONFIG
from mobileo_export.converters.mlx.convert import check_output
from mobileo_export.converters.mlx.weights import METADATA, PART
from mobileo_export.errors import ConversionError
from mobileo_export.processes import debug

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlx.component_plan import FolderPlan
    from mobileo_export.artifacts.mlx.plan import PlannedTensor
    from mobileo_export.artifacts.mlx.tensors import ComponentTensor
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.components import ComponentSpec
    from mobileo_export.progress import OnCount

_MOST_THREADS = 8
_LARGEST_HALF = float(np.finfo(np.float16).max)


def convert(
    checkpoint: Checkpoint,
    spec: ComponentSpec,
    output: Path,
    *,
    layout: FolderPlan,
    weights: Weights = "released",
    progress: OnCount = lambda done, total: None,
) -> None:
    """Write the new folder ``output``; it appears whole or not at all, and always the same.

    Args:
        checkpoint: an open Mobile-O checkpoint.
        spec: any component but the language model.
        output: a folder that does not exist yet, in one that does.
        layout: as :func:`affine.planned` gives it.
        weights: which copy of a tensor to take where a nested one exists.
        progress: called with (numbers done, numbers in all).

    Raises:
        UsageError: the output folder cannot be used.
        CheckpointError: a tensor is missing or damaged.
        ConversionError: float16 cannot hold the weights, or the result fails its checks.
    """
    checkpoint.require_weights(weights)
    spec.check(checkpoint)
    check_output(output)
    (prefix,) = spec.prefixes
    with debug.scratch(f".{output.name}-", output.parent) as scratch:
        folder = scratch / output.name
        folder.mkdir()
        text = json.dumps(layout.content, indent=2, sort_keys=True) + "\n"
        (folder / CONFIG).write_text(text, encoding="utf-8")
        done = 0
        with (
            ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool,
            SafetensorsWriter(folder / SINGLE, layout.layout, METADATA) as writer,
        ):
            for tensor, stored in layout.parts:
                sources = (checkpoint.read(prefix + name, weights) for name in tensor.sources)
                values = made(tensor, *sources)
                write = partial(_write, writer, stored, values)
                done += sum(pool.map(write, range(0, len(values), _rows(stored))))
                progress(done, layout.parameters)
        structure.check(folder / SINGLE, layout)
        folder.rename(output)


def made(tensor: ComponentTensor, *sources: NDArray[Any]) -> NDArray[np.float32]:
    """The values of a folder's tensor in float32, of at least one axis.

    Raises:
        ConversionError: they are not what was planned, or not finite.
    """
    values = np.asarray(tensor.make(*sources), np.float32)
    if values.shape != tensor.shape or not np.isfinite(values).all():
        raise ConversionError(
            f"{tensor.target}: what {', '.join(tensor.sources)} make is not finite, or of shape "
            f"{list(values.shape)} where {list(tensor.shape)} is planned; check the checkpoint"
        )
    return np.atleast_1d(values)


def rounded(values: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """``values`` as float16 holds them.

    Raises:
        ConversionError: one is too large.
    """
    largest = float(np.abs(values).max(initial=0))
    if largest > _LARGEST_HALF:
        raise ConversionError(
            f"{name} holds a value of magnitude {largest:g}, beyond float16's 65504: export with "
            "--precision float32, or check how these weights were trained"
        )
    return values.astype(np.float16).astype(np.float32)


def _rows(stored: PlannedTensor) -> int:
    return max(1, PART // prod(stored.shape[1:]))


def _write(
    writer: SafetensorsWriter, stored: PlannedTensor, whole: NDArray[np.float32], start: int
) -> int:
    """Store some rows of a tensor, from ``start`` on; returns how many numbers they hold."""
    values = whole[start : start + _rows(stored)]
    if stored.bits == FLOAT16_BITS:
        first = start * prod(stored.shape[1:])
        if stored.dtype == "F16":
            values = rounded(values, stored.target).astype(np.float16)
        writer.write_part(stored.target, first, values.reshape(-1))
        return values.size
    half = rounded(values, stored.target)
    parts: tuple[NDArray[Any], ...] = quantize(half, stored.bits, stored.group_size)
    for name, part in zip(stored.stored, parts, strict=True):
        writer.write_part(name, start * part.shape[1], part.reshape(-1))
    return values.size
