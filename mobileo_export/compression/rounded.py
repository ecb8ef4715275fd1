"""Matrices that lie rounded beside a plan: a safetensors file, and how it is read and written.

Of each matrix it holds ``COMPONENT/MATRIX/codes`` (uint8: the codes in their bits, one after the
other, the lowest bit first; integers as two's complement), ``…/shape`` (int64: bits, then the
matrix's shape) and ``…/table`` or ``…/scale`` (float32, as of ``schemes.Stored``). The plan says
the sha256 of the file and of the tensors that it was made of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.bundle import seal
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from mobileo_export.components import COMPONENTS
from mobileo_export.compression.schemes import Scheme, Shape, Stored
from mobileo_export.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.checkpoint.safetensors_file import TensorInfo

_PARTS = ("codes", "shape", "table", "scale")
_METADATA = {"format": "mobileo_export.rounded 1"}


@dataclass(frozen=True)
class RoundedMatrices:
    """The file beside a plan.

    Attributes:
        path: of it.
        sha256: of its bytes.
        sources: of the tensors of each component that it was made of (``Checkpoint.digest``).
        tensors: where each of its tensors lies.
    """

    path: Path
    sha256: str
    sources: Mapping[str, str]
    tensors: Mapping[str, TensorInfo]

    @classmethod
    def open(cls, path: Path, stated: Mapping[str, Any]) -> RoundedMatrices:
        """The file that a plan's ``stated`` names.

        Raises:
            UsageError: it is missing, or another.
            CheckpointError: it is damaged.
        """
        if not path.is_file():
            raise UsageError(
                f"{path}: no such file, though the plan beside it has rounded matrices; "
                "keep the two together, under one name"
            )
        if seal.digest(path) != stated["sha256"]:
            raise UsageError(
                f"{path}: is not the file that the plan beside it was written with; "
                "run compress-plan again"
            )
        tensors = safetensors_file.read_header(path)
        return cls(path, stated["sha256"], dict(stated["sources"]), tensors)

    def content(self) -> dict[str, Any]:
        """What a plan states of it."""
        return {"sha256": self.sha256, "sources": dict(self.sources)}

    def shape(self, component: str, matrix: str) -> Shape | None:
        """Of a matrix that is here; None if it is not."""
        info = self.tensors.get(f"{component}/{matrix}/shape")
        return None if info is None else tuple(map(int, safetensors_file.raw(info)[1:]))

    def check_names(self, component: str, shapes: Mapping[str, Shape]) -> None:
        """Refuse matrices that a component does not have.

        Raises:
            UsageError: it has no matrix of that name and shape.
        """
        for name in self.tensors:
            owner, matrix, part = [*name.split("/"), "", ""][:3]
            if owner not in COMPONENTS or not part:
                raise UsageError(f"{self.path}: holds {name}, which is of no component")
            if owner == component and self.shape(owner, matrix) != shapes.get(matrix):
                raise UsageError(
                    f"{self.path}: {owner} has no matrix {matrix} of that shape; run compress-plan "
                    "with this checkpoint"
                )

    def made(self, component: str, matrix: str, scheme: Scheme) -> Stored:
        """The stored form of a matrix, which the plan has ``scheme`` for.

        Raises:
            UsageError: it is not stored by that scheme.
        """
        place = f"{component}/{matrix}"
        try:
            return self._made(place, scheme)
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"{self.path}: {place} is not stored as {scheme} ({error}); run compress-plan again"
            ) from None

    def _made(self, place: str, scheme: Scheme) -> Stored:
        def read(name: str) -> NDArray[Any]:
            return np.array(safetensors_file.raw(self.tensors[f"{place}/{name}"]))

        bits, *axes = map(int, read("shape"))
        shape = tuple(axes)
        if bits != scheme.bits or scheme.misfit(shape):
            raise ValueError(f"{bits} bits of {list(shape)}")
        codes = unpacked(read("codes"), bits, math.prod(shape)).reshape(shape)
        groups = shape[0] // scheme.rows if scheme.rows else 1
        ones = (1,) * (len(shape) - 1)
        if scheme.form == "palette":
            table = read("table")
            if table.shape != (groups, *ones, 1 << bits, 1):
                raise ValueError(f"a table of {list(table.shape)}")
            return Stored(scheme, codes, table=table)
        scale = read("scale")
        if scale.shape != (shape[0], shape[1] // (scheme.block or shape[1]), *ones[1:]):
            raise ValueError(f"a scale of {list(scale.shape)}")
        half = 1 << (bits - 1)
        return Stored(scheme, ((codes ^ half).astype(np.int16) - half).astype(np.int8), scale)

    def check(self, checkpoint: Checkpoint, weights: Weights) -> None:
        """Read what it was made of again.

        Raises:
            UsageError: the checkpoint has other values.
        """
        for component, sha256 in self.sources.items():
            names = COMPONENTS[component].tensors(checkpoint.model)
            if checkpoint.digest(names, weights) != sha256:
                raise UsageError(
                    f"{self.path}: was rounded for other weights of {component} than those of "
                    f"{checkpoint.path}; run compress-plan with this checkpoint"
                )


def write(
    path: Path, matrices: Mapping[str, Mapping[str, Stored]], sources: Mapping[str, str]
) -> RoundedMatrices:
    """Write the file of ``matrices`` by component and name; it appears whole or not at all."""
    found = {
        f"{component}/{matrix}/{name}": array
        for component, made in matrices.items()
        for matrix, stored in made.items()
        for name, array in _arrays(stored)
    }
    types = {np.dtype("u1"): "U8", np.dtype("<i8"): "I64", np.dtype("<f4"): "F32"}
    layout = {name: (types[array.dtype], array.shape) for name, array in found.items()}
    unfinished = path.with_name(path.name + ".partial")
    unfinished.unlink(missing_ok=True)
    with SafetensorsWriter(unfinished, layout, _METADATA) as writer:
        for name, array in found.items():
            writer.write(name, array)
    unfinished.replace(path)
    stated = {"sha256": seal.digest(path), "sources": dict(sources)}
    return RoundedMatrices.open(path, stated)


def _arrays(stored: Stored) -> Iterator[tuple[str, NDArray[Any]]]:
    bits = stored.scheme.bits
    yield "codes", packed(stored.data, bits)
    yield "shape", np.array([bits, *stored.data.shape], "<i8")
    for name, array in (("table", stored.table), ("scale", stored.scale)):
        if array is not None:
            yield name, np.ascontiguousarray(array, "<f4")


def is_ours(path: Path) -> bool:
    """Whether the file at ``path`` holds rounded matrices and nothing else."""
    try:
        places = [name.split("/") for name in safetensors_file.read_header(path)]
    except CheckpointError:
        return False
    return bool(places) and all(p[0] in COMPONENTS and p[-1] in _PARTS for p in places)


def packed(codes: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Codes of so many bits, one after the other; the last byte is filled with zeros."""
    planes = codes.reshape(-1, 1).view(np.uint8) >> np.arange(bits, dtype=np.uint8) & 1
    return np.packbits(planes, bitorder="little")


def unpacked(data: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint8]:
    """The ``count`` codes of :func:`packed`, not negative.

    Raises:
        ValueError: there are fewer, or more.
    """
    if data.shape != (-(-count * bits // 8),):
        raise ValueError(f"{data.size} bytes for {count} codes")
    planes = np.unpackbits(data, count=count * bits, bitorder="little").reshape(count, bits)
    codes: NDArray[np.uint8] = planes @ (1 << np.arange(bits, dtype=np.uint8))
    return codes
