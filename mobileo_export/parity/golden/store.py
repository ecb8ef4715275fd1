"""Arrays of a trace on disk: one file of little-endian numbers, one entry an array."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ARRAYS = "arrays.bin"
MAX_BYTES = 64_000_000
ALIGNMENT = 64  # so that a mapped file can be used in place
DTYPES = ("float32", "int32", "uint8")
_SMALL = 64  # values up to which a constant is not worth a form of its own


@dataclass(frozen=True)
class AxisSample:
    """Every ``stride``-th index of ``axis``, from ``start``."""

    axis: int
    start: int
    stride: int

    @classmethod
    def of(cls, length: int, axis: int, about: int = 32) -> AxisSample:
        """About so many of ``length``, the last one among them."""
        stride = max(1, length // about)
        return cls(axis, (length - 1) % stride, stride)

    def take(self, array: NDArray[Any]) -> NDArray[Any]:
        """The part of ``array`` that is stored."""
        index = [slice(None)] * array.ndim
        index[self.axis] = slice(self.start, None, self.stride)
        return array[tuple(index)]


class Writer:
    """Appends arrays to a file; what is written once is only referred to again."""

    def __init__(self, path: Path, limit: int = MAX_BYTES) -> None:
        """``path`` is a new file; ``limit`` bounds its size."""
        self.entries: list[dict[str, Any]] = []
        self.bytes = 0
        self._limit = limit
        self._known: dict[bytes, int] = {}
        self._file: IO[bytes] = path.open("xb")

    def add(
        self,
        name: str,
        array: NDArray[Any],
        sample: AxisSample | None = None,
        scale: float | None = None,
    ) -> int:
        """Index of the entry that holds ``array``.

        Args:
            name: of the entry, unless an equal array is stored already.
            array: float32, int32 or uint8.
            sample: store a part only.
            scale: store bytes if ``array`` is exactly bytes times this number, in float32.

        Raises:
            UsageError: the trace grows too large.
        """
        if array.dtype.name not in DTYPES:
            raise TypeError(f"{name} is {array.dtype}; a trace holds {', '.join(DTYPES)}")
        part = np.ascontiguousarray(array if sample is None else sample.take(array))
        if sample is not None and part.shape == array.shape:
            sample = None
        key = _key(array, part, sample)
        if key not in self._known:
            entry = {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
            self.entries.append({**entry, **self._stored(part, sample, scale)})
            self._known[key] = len(self.entries) - 1
        return self._known[key]

    def _stored(
        self, part: NDArray[Any], sample: AxisSample | None, scale: float | None
    ) -> dict[str, Any]:
        if sample is not None:
            where = {"axis": sample.axis, "start": sample.start, "stride": sample.stride}
            return {"storage": "sampled", "sample": where, **self._append(part)}
        if part.size > _SMALL and part.dtype == np.float32 and (part == part.flat[0]).all():
            return {"storage": "constant", "value": float(part.flat[0])}
        packed = None if scale is None else _bytes(part, scale)
        if packed is not None:
            return {"storage": "scaled_uint8", "scale": scale, **self._append(packed)}
        return {"storage": "raw", **self._append(part)}

    def _append(self, array: NDArray[Any]) -> dict[str, Any]:
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        offset = self.bytes + -self.bytes % ALIGNMENT
        if offset + len(data) > self._limit:
            raise UsageError(
                f"the trace takes more than {self._limit / 1e6:.0f} MB; record fewer --steps"
            )
        self._file.write(bytes(offset - self.bytes) + data)
        self.bytes = offset + len(data)
        return {"file": ARRAYS, "offset": offset, "size": len(data)}

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read(data: NDArray[np.uint8], entry: dict[str, Any]) -> NDArray[Any]:
    """The array of an entry that :func:`problem` has nothing against, sampled as it is stored.

    Args:
        data: the whole file, [bytes].
        entry: of the index.
    """
    shape = stored_shape(entry)
    if entry["storage"] == "constant":
        return np.full(shape, entry["value"], np.float32)
    content = data[entry["offset"] : entry["offset"] + entry["size"]]
    if entry["storage"] == "scaled_uint8":
        scaled: NDArray[np.float32] = content.astype(np.float32) * np.float32(entry["scale"])
        return scaled.reshape(shape)
    dtype = np.dtype(entry["dtype"])
    values: NDArray[Any] = content.copy().view(dtype.newbyteorder("<"))
    return values.astype(dtype, copy=False).reshape(shape)


def stored_shape(entry: dict[str, Any]) -> tuple[int, ...]:
    """The shape of what is stored: smaller than ``shape`` along a sampled axis."""
    shape = list(entry["shape"])
    sample = entry.get("sample")
    if sample is not None:
        axis, start, stride = sample["axis"], sample["start"], sample["stride"]
        shape[axis] = max(0, -(-(shape[axis] - start) // stride))
    return tuple(shape)


def problem(entry: dict[str, Any], sizes: dict[str, int]) -> str | None:
    """Why an entry that fits the schema cannot be read; ``sizes`` are those of the files."""
    sample, shape = entry.get("sample"), entry["shape"]
    if sample is not None and not (
        sample["axis"] < len(shape) and sample["start"] < shape[sample["axis"]]
    ):
        return "has a sample that does not fit its shape"
    count = math.prod(stored_shape(entry))
    width = 1 if "uint8" in {entry["dtype"], *entry["storage"].split("_")} else 4
    if count * 4 > MAX_BYTES:
        return f"has shape {shape}, larger than a trace may be"
    if entry["storage"] == "constant":
        return None
    return _misplaced(entry, count * width, sizes)


def _misplaced(entry: dict[str, Any], wanted: int, sizes: dict[str, int]) -> str | None:
    if entry["size"] != wanted:
        return f"has {entry['size']} bytes, its shape takes {wanted}"
    if entry["file"] not in sizes:
        return f"lies in {entry['file']}, which is not there or not listed in the manifest"
    if entry["offset"] + wanted > sizes[entry["file"]]:
        return f"ends after the end of {entry['file']}"
    return None


def _bytes(array: NDArray[Any], scale: float) -> NDArray[np.uint8] | None:
    levels = np.nan_to_num(np.rint(array / np.float32(scale)))
    packed = np.clip(levels, 0, 255).astype(np.uint8)
    exact = packed.astype(np.float32) * np.float32(scale)
    return packed if exact.tobytes() == array.tobytes() else None


def _key(array: NDArray[Any], part: NDArray[Any], sample: AxisSample | None) -> bytes:
    state = hashlib.sha256(repr((array.dtype.name, array.shape, sample)).encode())
    state.update(part.tobytes())
    return state.digest()
