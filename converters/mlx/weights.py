"""Write ``model.safetensors`` of an MLX folder in parts, so that memory does not grow with it.

A part of a tensor is read from its place in the checkpoint, rounded to float16 as
``mlx_lm.convert(dtype="float16")`` does, quantized, and written to its place in the new file.
Parts are independent, so that threads share them and the bytes do not depend on their order.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from mobileo_export.artifacts.mlx.packed import quantize
from mobileo_export.artifacts.mlx.plan import FLOAT16_BITS
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.safetensors_file import FLOAT_DTYPES
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from mobileo_export.errors import CheckpointError, ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlx.plan import MLXPlan, PlannedTensor
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.checkpoint.safetensors_file import TensorInfo
    from mobileo_export.progress import OnCount

METADATA = {"format": "mlx"}  # mlx-lm and mlx-vlm take a file without it for a PyTorch one
PART = 1 << 19  # elements: 2 MB of float32, small enough for a core's cache


def sources(checkpoint: Checkpoint, planned: MLXPlan, weights: Weights) -> dict[str, TensorInfo]:
    """Where the chosen copy of every planned tensor lies.

    Raises:
        CheckpointError: a tensor is missing or not bfloat16, float16 or float32.
    """
    found = {tensor.source: checkpoint.info(tensor.source, weights) for tensor in planned.tensors}
    for info in found.values():
        if info.dtype not in FLOAT_DTYPES:
            raise CheckpointError(
                f"{info.file}: tensor {info.name} has dtype {info.dtype}; "
                "save the checkpoint as bfloat16, float16 or float32"
            )
    return found


def write(
    path: Path,
    planned: MLXPlan,
    found: dict[str, TensorInfo],
    progress: OnCount | None = None,
) -> None:
    """Write the planned file; ``progress`` gets (parameters done, parameters in all).

    Raises:
        CheckpointError: a tensor holds NaN or infinity.
        ConversionError: a tensor holds a value that float16 cannot hold.
    """
    done, total = 0, planned.parameters
    with ExitStack() as stack:
        writer = stack.enter_context(SafetensorsWriter(path, planned.layout, METADATA))
        pool = ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8))
        stack.callback(pool.shutdown, cancel_futures=True)
        futures = [
            pool.submit(_write_rows, writer, found[tensor.source], tensor, start, stop)
            for tensor in planned.tensors
            for start, stop in _parts(tensor)
        ]
        for future in futures:
            done += future.result()
            if progress is not None:
                progress(done, total)


def _parts(tensor: PlannedTensor) -> Iterator[tuple[int, int]]:
    rows, columns = tensor.shape[0], prod(tensor.shape[1:])
    step = max(1, PART // columns)
    for start in range(0, rows, step):
        yield start, min(start + step, rows)


def _write_rows(
    writer: SafetensorsWriter, info: TensorInfo, tensor: PlannedTensor, start: int, stop: int
) -> int:
    """Convert the rows [start, stop) of one tensor; returns how many parameters they hold."""
    values = _as_float16(safetensors_file.raw(info)[start:stop], info.dtype)
    if not np.isfinite(values).all():
        _refuse(info)
    if tensor.bits == FLOAT16_BITS:
        first = start * prod(tensor.shape[1:])
        writer.write_part(tensor.target, first, values.astype("<f2").reshape(-1))
        return values.size
    parts: tuple[NDArray[Any], ...] = quantize(values, tensor.bits, tensor.group_size)
    for name, part in zip(tensor.stored, parts, strict=True):
        writer.write_part(name, start * part.shape[1], part.reshape(-1))
    return values.size


def _as_float16(stored: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Round to float16, kept as float32; what float16 cannot hold becomes infinite."""
    if dtype == "BF16":
        return _bfloat16_as_float16().take(stored)
    if dtype == "F32":
        with np.errstate(over="ignore"):
            stored = stored.astype(np.float16)
    return np.asarray(stored, np.float32)


@cache
def _bfloat16_as_float16() -> NDArray[np.float32]:
    # Looking all 65,536 values up takes a quarter of the time of converting twice.
    every = np.arange(1 << 16, dtype=np.uint16)
    values = np.empty(every.shape, np.float32)
    safetensors_file.widen(every, "BF16", values)
    return _as_float16(values, "F32")


def _refuse(info: TensorInfo) -> NoReturn:
    values = safetensors_file.read(info)  # raises when NaN or infinity is stored
    largest = max(values.max(), -values.min())
    raise ConversionError(
        f"{info.file}: tensor {info.name} holds a value of magnitude {largest:g}, beyond "
        "float16's 65504; an MLX folder cannot hold these weights: check how they were trained"
    )
