"""Safetensors files, read in place; ``safetensors_writer`` writes them.

The ``safetensors`` library validates a file (header, offsets, truncation); the bytes are then
mapped, because the library cannot hand out bfloat16 without a framework and always copies.
Format: https://huggingface.co/docs/safetensors (8-byte little-endian header length, JSON, data).
"""

from __future__ import annotations

import json
import math
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import git_lfs
from mobileo_export.errors import CheckpointError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Shape = tuple[int, ...]

# dtype name in the file -> NumPy dtype of the raw bytes (NumPy has no bfloat16: its bits are kept),
# in the order in which the library lays a file out.
RAW_DTYPES: dict[str, np.dtype[Any]] = {
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "BF16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
FLOAT_DTYPES = frozenset({"BF16", "F16", "F32"})
# The library accepts any dimensions beside a zero, NumPy does not.
_MAX_RANK, _MAX_DIM = 16, 1 << 40
_CHUNK = 1 << 20  # elements converted at a time: stays in cache, bounds temporaries
_PART = 1 << 17  # elements read at a time: they stay in a core's own cache while they are hashed
_MEMORY = threading.local()  # see :func:`_memory`


@dataclass(frozen=True)
class TensorInfo:
    """Where one tensor lies: ``nbytes`` bytes at absolute ``offset`` of ``file``."""

    name: str
    dtype: str
    shape: Shape
    file: Path
    offset: int
    nbytes: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Name, dtype, shape and place of every tensor in ``path``; reads no tensor data.

    Raises:
        CheckpointError: the file is missing, truncated, or its header lies about its contents.
    """
    from safetensors import SafetensorError, safe_open

    # MemoryError: the library maps the whole file.
    unreadable = (SafetensorError, OSError, MemoryError, ValueError, struct.error, RecursionError)
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise OSError("not a plain file")
        with safe_open(str(path), framework="np"):
            pass
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
    except unreadable as error:
        if git_lfs.is_pointer(path):
            raise CheckpointError(f"{path}: {git_lfs.EXPLANATION}") from error
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({first_line(error)}); "
            "download or copy it again"
        ) from error
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if len(entry["shape"]) > _MAX_RANK or any(dim > _MAX_DIM for dim in entry["shape"]):
            raise CheckpointError(
                f"{path}: tensor {name} claims an absurd shape; download or copy the file again"
            )
        begin, end = entry["data_offsets"]
        tensors[name] = TensorInfo(
            name, entry["dtype"], tuple(entry["shape"]), path, 8 + length + begin, end - begin
        )
    return tensors


def raw(info: TensorInfo) -> NDArray[Any]:
    """The tensor's bytes as stored, mapped read-only, in its shape (bfloat16 as uint16)."""
    dtype = _raw_dtype(info)
    if info.size == 0:
        return np.empty(info.shape, dtype)
    return np.memmap(info.file, dtype, "r", info.offset, info.shape)


def _raw_dtype(info: TensorInfo) -> np.dtype[Any]:
    dtype = RAW_DTYPES.get(info.dtype)
    if dtype is None:
        raise CheckpointError(
            f"{info.file}: tensor {info.name} has dtype {info.dtype}, which is not supported; "
            "save the checkpoint as bfloat16, float16 or float32"
        )
    return dtype


def blocks(info: TensorInfo, slot: str = "values") -> Iterator[NDArray[Any]]:
    """The tensor's values as stored, flat, a part at a time; read, not mapped.

    What a file that shrinks or a disk that fails does to a mapping is a signal, not an exception.
    A part lies where this thread read the one before it with the same ``slot``.

    Raises:
        CheckpointError: the file cannot be read, or ends too early.
    """
    dtype = _raw_dtype(info)
    try:
        with info.file.open("rb") as file:
            file.seek(info.offset)
            for start in range(0, info.size, _PART):
                values = _memory(slot, min(_PART, info.size - start), dtype)
                if file.readinto(values.view(np.uint8).data) != values.nbytes:
                    raise CheckpointError(
                        f"{info.file}: ends in the middle of tensor {info.name}; "
                        "download or copy it again"
                    )
                yield values
    except OSError as error:
        raise CheckpointError(
            f"{info.file}: tensor {info.name} cannot be read ({error.strerror or error}); "
            "download or copy the file again"
        ) from error


def _memory(slot: str, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """``size`` values, of this thread and ``slot``, written over and over.

    The system clears every fresh page, which takes longer than reading what it has in memory.
    """
    held: NDArray[np.uint8] | None = getattr(_MEMORY, slot, None)
    if held is None or held.nbytes < size * dtype.itemsize:
        held = np.empty(size * dtype.itemsize, np.uint8)
        setattr(_MEMORY, slot, held)
    return held[: size * dtype.itemsize].view(dtype)


def read(info: TensorInfo) -> NDArray[Any]:
    """The tensor as an own array: floats exactly widened to float32, integers as stored.

    Raises:
        CheckpointError: the tensor holds NaN or infinity, or is float64 (not exact in float32).
    """
    stored = raw(info)
    if info.dtype in {"I64", "I32", "U32", "U8", "BOOL"}:
        return np.array(stored)
    if info.dtype not in FLOAT_DTYPES:
        raise CheckpointError(
            f"{info.file}: tensor {info.name} is {info.dtype}, which float32 cannot hold exactly; "
            "save the checkpoint as bfloat16, float16 or float32"
        )
    values = np.empty(info.shape, np.float32)
    for source, target in _chunks(stored, values):
        widen(source, info.dtype, target)
        if not np.isfinite(target.max()) or not np.isfinite(target.min()):
            raise CheckpointError(
                f"{info.file}: tensor {info.name} holds NaN or infinity; "
                "the checkpoint is damaged or its training diverged"
            )
    return values


def widen(source: NDArray[Any], dtype: str, target: NDArray[np.float32]) -> None:
    """Write ``source`` (raw bytes of ``dtype``) into float32 ``target``; exact for all three."""
    if dtype == "BF16":
        bits = target.view(np.uint32)
        bits[...] = source
        bits <<= np.uint32(16)
    else:
        target[...] = source


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round finite float32 to bfloat16 bits, to nearest even (what torch and the TPU do)."""
    bits = values.reshape(-1).view("<u4")
    rounded: NDArray[np.uint32] = bits >> np.uint32(16)
    rounded &= np.uint32(1)
    rounded += bits
    rounded += np.uint32(0x7FFF)
    # The upper halves of little-endian words: three times faster than a shift and a cast.
    return rounded.view("<u2")[1::2].copy().reshape(values.shape)


def blocks_of_both(
    left: TensorInfo, right: TensorInfo
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """The parts of two tensors of one size that belong together, as :func:`blocks` gives them."""
    return zip(blocks(left, "left"), blocks(right, "right"), strict=True)


class TensorDifference:
    """How far a stored tensor is from another of its shape, found part by part as both are read.

    ``same`` as long as they are equal to the bit.
    """

    def __init__(self, left: TensorInfo, right: TensorInfo) -> None:
        self._dtypes = left.dtype, right.dtype
        self._squares = np.zeros(2)
        self.same = left.dtype == right.dtype

    def add(self, left: NDArray[Any], right: NDArray[Any]) -> None:
        """The next part of each."""
        single = np.dtype(np.float32)
        x = _memory("wide left", left.size, single)
        widen(left, self._dtypes[0], x)
        with np.errstate(over="ignore", invalid="ignore"):  # infinity, as is told
            self._squares[1] += np.dot(x, x)  # float32 within a part, float64 across them
            self.same = self.same and np.array_equal(left, right)
            if self.same:
                return
            y = _memory("wide right", right.size, single)
            widen(right, self._dtypes[1], y)
            y -= x
            self._squares[0] += np.dot(y, y)

    def relative(self) -> float:
        """‖right - left‖ / ‖left‖ to about six digits.

        Infinity when only ``left`` is zero and when either holds NaN or infinity.
        """
        if not np.isfinite(self._squares).all():
            return float("inf")
        if self._squares[1] == 0:
            return 0.0 if self._squares[0] == 0 else float("inf")
        return float(np.sqrt(self._squares[0] / self._squares[1]))


def tensor_bytes(dtype: str, shape: Shape) -> int:
    """Bytes of a tensor in a file."""
    return RAW_DTYPES[dtype].itemsize * math.prod(shape)


def _chunks(*arrays: NDArray[Any]) -> Iterator[tuple[NDArray[Any], ...]]:
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, flat[0].size, _CHUNK):
        yield tuple(array[start : start + _CHUNK] for array in flat)
