"""Where the weights lie in the program of a Core AI asset, without the library.

The program is MLIR bytecode, whose layout mlir.llvm.org/docs/BytecodeFormat states: sections, each
with a number and a length. Large constants are blobs of the section of resources, small ones stand
among the attributes; both are plain little-endian numbers.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.artifacts.aimodel.asset import PROGRAM
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Bytes = bytes | mmap.mmap

_MAGIC = b"ML\xefR"
STRINGS, ATTRIBUTES, RESOURCES, RESOURCE_TABLE = 0, 2, 5, 6  # numbers of sections
_ALIGNED = 0x80  # in such a number: alignment and padding follow the length
_PADDING = 0xCB
_BLOB = 0  # kind of a resource
_COUNTED = 8  # bytes of an integer whose first byte is zero


@dataclass(frozen=True)
class Blob:
    """A large constant: ``size`` bytes at ``offset`` of the file."""

    offset: int
    size: int


@dataclass(frozen=True)
class AssetProgram:
    """The constants of a program.

    Attributes:
        file: the program.
        blobs: in the order of the file.
        attributes: where small constants stand: offset and size.
    """

    file: Path
    blobs: tuple[Blob, ...]
    attributes: Blob

    @property
    def largest(self) -> int:
        """Bytes of the largest blob."""
        return max((blob.size for blob in self.blobs), default=0)

    @cached_property
    def by_size(self) -> dict[int, list[Blob]]:
        """The blobs of each size in bytes."""
        found: dict[int, list[Blob]] = {}
        for blob in self.blobs:
            found.setdefault(blob.size, []).append(blob)
        return found

    def values(self, blob: Blob) -> NDArray[np.float32]:
        """A blob's numbers, mapped from the file."""
        return np.memmap(self.file, np.float32, "r", blob.offset, (blob.size // 4,))

    def raw(self, blob: Blob) -> NDArray[np.uint8]:
        """A blob as it lies in the file, mapped from there."""
        return np.memmap(self.file, np.uint8, "r", blob.offset, (blob.size,))

    @cached_property
    def inline(self) -> bytes:
        """The section in which small constants stand."""
        with self.file.open("rb") as file:
            file.seek(self.attributes.offset)
            return file.read(self.attributes.size)


def read(path: Path) -> AssetProgram:
    """Find the constants of the asset at ``path``.

    Raises:
        BundleError: its program is no such bytecode.
    """
    file = path / PROGRAM
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as m:
            found = dict(sections(m))
            resources = _resources(m, found[RESOURCE_TABLE], found[RESOURCES])
            blobs = tuple(blob for _, blob in resources if blob is not None)
            return AssetProgram(file, blobs, found[ATTRIBUTES])
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise BundleError(
            f"{file}: is no Core AI program; export it again or download it again"
        ) from error


def sections(data: Bytes) -> Iterator[tuple[int, Blob]]:
    """The number of each section of a program, and where it lies behind its number and length."""
    if data[: len(_MAGIC)] != _MAGIC:
        raise ValueError("no MLIR bytecode")
    _, place = integer(data, len(_MAGIC))
    place = data.find(b"\0", place) + 1  # behind the producer's name
    while place < len(data):
        number = data[place]
        size, place = integer(data, place + 1)
        if number & _ALIGNED:
            _, place = integer(data, place)
            while data[place] == _PADDING:
                place += 1
        if place + size > len(data):
            raise ValueError("a section ends behind the file")
        yield number & ~_ALIGNED, Blob(place, size)
        place += size


def names(data: Bytes) -> list[int]:
    """Which string each resource is called by, in their order."""
    found = dict(sections(data))
    return [name for name, _ in _resources(data, found[RESOURCE_TABLE], found[RESOURCES])]


def _resources(data: Bytes, table: Blob, resources: Blob) -> Iterator[tuple[int, Blob | None]]:
    """The name of each resource, and where it lies if it is a blob."""
    _, place = integer(data, table.offset)  # how many groups belong to no dialect
    lies, end = resources.offset, resources.offset + resources.size
    while place < table.offset + table.size:
        _, place = integer(data, place)  # who they belong to
        count, place = integer(data, place)
        for _ in range(count):
            name, place = integer(data, place)
            size, place = integer(data, place)
            kind, place = data[place], place + 1
            if lies + size > end:
                raise ValueError("a resource ends behind its section")
            blob = None
            if kind == _BLOB:
                _, start = integer(data, lies)  # the alignment
                length, _ = integer(data, start)
                if length > size:
                    raise ValueError("a blob is longer than its resource")
                blob = Blob(lies + size - length, length)
            yield name, blob
            lies += size


def integer(data: Bytes, place: int) -> tuple[int, int]:
    """The integer at ``place``, whose trailing zeros say how many bytes follow; where it ends."""
    first = data[place]
    if first == 0:
        end = place + 1 + _COUNTED
        return int.from_bytes(data[place + 1 : end], "little"), end
    more = (first & -first).bit_length()
    end = place + more
    return int.from_bytes(data[place:end], "little") >> more, end
