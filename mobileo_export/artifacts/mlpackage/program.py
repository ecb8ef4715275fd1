"""An ML Program as plain data: functions, blocks, operations, types and constants.

Nothing here computes; constants are views of the weight file or of the protobuf. ``decode`` builds
these from the protobuf, ``verify`` checks that the graph is well formed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlpackage.blob import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.dtypes import DType


@dataclass(frozen=True)
class TensorType:
    """Element type and shape; ``None`` is a size, or a whole shape, known only at run time."""

    dtype: DType
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.dtype.name}[...]"
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype.name}[{sizes}]"

    @property
    def least_bytes(self) -> int:
        """Bytes of a value of this type in memory, run-time sizes taken as 1."""
        width = np.dtype(self.dtype.carrier).itemsize if self.dtype.kind != "string" else 1
        return math.prod(size for size in self.shape or () if size is not None) * width

    def allows(self, shape: Sequence[int]) -> bool:
        """Whether a value may have ``shape``."""
        return self.shape is None or (
            len(shape) == len(self.shape)
            and all(
                size is None or size == actual
                for size, actual in zip(self.shape, shape, strict=True)
            )
        )


@dataclass(frozen=True)
class StateType:
    """A buffer that lives between runs."""

    wrapped: TensorType


@dataclass(frozen=True)
class ListType:
    """A list of tensors of one type (``make_list`` and its relatives)."""

    element: TensorType | None


ValueType = TensorType | StateType | ListType | None


@dataclass(frozen=True)
class Named:
    """A declared value."""

    name: str
    type: ValueType


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor the package stores.

    Attributes:
        type: its static type.
        stored: flat elements as stored; bytes of packed elements for sub-byte types.
        place: weight file and offset, if it lies in one; several operations may share it.
    """

    type: TensorType
    stored: NDArray[Any]
    place: tuple[str, int] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape; constants have no run-time sizes."""
        return tuple(size or 0 for size in self.type.shape or ())

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    def array(self) -> NDArray[Any]:
        """The elements in shape; a view unless the type is packed."""
        dtype = self.type.dtype
        flat = unpack(self.stored, dtype, self.size) if dtype.packed else self.stored
        return flat.reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Literal:
    """A constant that is no tensor: a list or a dictionary of plain values."""

    value: Any


Argument = str | Constant | Literal
"""The name of a value, or a constant given in place."""


@dataclass(frozen=True, eq=False)
class Op:
    """One operation; ``inputs`` holds the arguments of each parameter, in order."""

    kind: str
    name: str
    inputs: Mapping[str, tuple[Argument, ...]]
    outputs: tuple[Named, ...]
    blocks: tuple[Block, ...] = ()

    def __str__(self) -> str:
        return f"op {self.name!r} ({self.kind})"

    def references(self) -> Iterator[str]:
        """Names of the values the operation itself takes."""
        for arguments in self.inputs.values():
            for argument in arguments:
                if isinstance(argument, str):
                    yield argument


@dataclass(frozen=True, eq=False)
class Block:
    """A sequence of operations with inputs of its own; inner blocks see outer values."""

    inputs: tuple[Named, ...]
    ops: tuple[Op, ...]
    outputs: tuple[str, ...]

    def free_names(self) -> set[str]:
        """Values that the block takes from its surroundings."""
        bound = {value.name for value in self.inputs}
        free: set[str] = set()
        for op in self.ops:
            free.update(name for name in op.references() if name not in bound)
            for inner in op.blocks:
                free.update(inner.free_names() - bound)
            bound.update(output.name for output in op.outputs)
        free.update(name for name in self.outputs if name not in bound)
        return free

    def walk(self) -> Iterator[Op]:
        """All operations, those of inner blocks before the operation that holds them."""
        for op in self.ops:
            for inner in op.blocks:
                yield from inner.walk()
            yield op


@dataclass(frozen=True, eq=False)
class Function:
    """An entry point of a program."""

    name: str
    opset: str
    inputs: tuple[Named, ...]
    block: Block


@dataclass(frozen=True, eq=False)
class Program:
    """All functions of a package; ``specification`` is the version of Core ML's format."""

    package: str
    functions: Mapping[str, Function]
    default: str
    description: Any = field(repr=False)
    specification: int = 0
