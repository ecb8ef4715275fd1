"""Weight files of ML Programs: memory-mapped, every claim checked before it is believed.

Layout (little endian): a 64-byte header (u32 count, u32 version 2). A value names the offset of its
64-byte metadata record {u32 0xDEADBEEF, u32 type, u64 bytes, u64 data offset, u64 unused bits,
reserved}; data are aligned to 64 bytes. Elements narrower than a byte are packed, lowest bit first.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.dtypes import DType

_HEADER = struct.Struct("<II")
_RECORD = struct.Struct("<IIQQQ")
_ALIGNMENT = 64
_SENTINEL = 0xDEADBEEF
_VERSION = 2


class BlobFile:
    """A mapped weight file; arrays it hands out are views that keep the mapping alive."""

    def __init__(self, path: Path, package: str) -> None:
        self._where = f"{package}: {path.name}"
        try:
            with path.open("rb") as file:
                # Private and writable: torch warns about views of read-only memory. Nothing is
                # written, and if something were, the file would not change.
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            raise BundleError(f"{self._where} cannot be mapped: {error}") from error
        if len(self._map) < _ALIGNMENT:
            raise BundleError(f"{self._where} is too short for a weight file")
        _, version = _HEADER.unpack_from(self._map)
        if version != _VERSION:
            raise BundleError(f"{self._where} has version {version}, expected {_VERSION}")

    def read(self, offset: int, dtype: DType, elements: int) -> NDArray[np.generic]:
        """The flat stored elements (bytes, if packed) of the value whose record is at ``offset``.

        Raises:
            BundleError: the record is not what the graph declares, or lies about the file.
        """
        where = f"{self._where} at offset {offset}"
        if offset % _ALIGNMENT or offset + _ALIGNMENT > len(self._map):
            raise BundleError(f"{where}: no metadata record can lie there")
        sentinel, code, size, start, _ = _RECORD.unpack_from(self._map, offset)
        if sentinel != _SENTINEL:
            raise BundleError(f"{where}: no metadata record (sentinel {sentinel:#x})")
        if code != dtype.blob:
            raise BundleError(f"{where}: stored type {code}, but the graph declares {dtype.name}")
        expected = dtype.nbytes(elements)
        if size != expected:
            raise BundleError(
                f"{where}: {size} bytes stored, but {elements} x {dtype.name} take {expected}"
            )
        if start % _ALIGNMENT or start + size > len(self._map):
            raise BundleError(
                f"{where}: data end at byte {start + size}, the file has {len(self._map)}"
            )
        count = size if dtype.packed else elements
        return np.frombuffer(self._map, dtype.storage, count, start)


def unpack(packed: NDArray[np.generic], dtype: DType, elements: int) -> NDArray[np.generic]:
    """Spread packed sub-byte elements to one byte each (int8 or uint8), lowest bits first."""
    stored = packed.view(np.uint8)
    if 8 % dtype.bits == 0:
        shifts = np.arange(0, 8, dtype.bits, dtype=np.uint8)
        values = (stored[:, None] >> shifts) & np.uint8((1 << dtype.bits) - 1)
        flat = values.reshape(-1)[:elements]
    else:
        bits = np.unpackbits(stored, bitorder="little")[: elements * dtype.bits]
        flat = np.packbits(bits.reshape(-1, dtype.bits), axis=1, bitorder="little").reshape(-1)
    if dtype.signed:
        sign = np.int8(1 << (dtype.bits - 1))
        return (flat.view(np.int8) ^ sign) - sign
    return flat


def pack(elements: NDArray[Any], dtype: DType) -> NDArray[np.uint8]:
    """The inverse of :func:`unpack`: bytes of sub-byte elements, the first of them lowest."""
    bits = np.unpackbits(
        elements.reshape(-1, 1).astype(np.uint8), axis=1, count=dtype.bits, bitorder="little"
    )
    return np.packbits(bits, bitorder="little")
