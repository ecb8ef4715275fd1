"""Constants and results as torch tensors in their carrier types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mobileo_export.artifacts.mlpackage.dtypes import BY_NAME
from mobileo_export.artifacts.mlpackage.limits import guard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.program import Constant, TensorType

SMALL = 1 << 16  # bytes of a constant that is converted, or expanded, once and kept


@dataclass(eq=False)
class Cell:
    """What a state holds; only a run's state operations replace the value."""

    value: torch.Tensor


@dataclass(frozen=True, eq=False)
class TensorList:
    """The value of a list: its places in order, empty ones as None."""

    items: tuple[torch.Tensor | None, ...]


def carrier(dtype_name: str) -> torch.dtype:
    """The torch type with this name."""
    dtype = getattr(torch, dtype_name)
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"{dtype_name} is no tensor type")
    return dtype


def carried(storage: str) -> torch.dtype:
    """The carrier of what is stored, or comes and goes, as ``storage``."""
    return carrier(next(d.carrier for d in BY_NAME.values() if d.storage == storage))


class Weight:
    """A constant operand: a view of the mapped file, converted only while an operation uses it.

    Converting at each use keeps half-precision and packed weights at their stored size in memory;
    float32 weights are not copied at all. Small constants are converted once (and the small weights
    that operations expand from them, see :class:`plan.Step`).

    Attributes:
        constant: as stored.
    """

    def __init__(self, constant: Constant) -> None:
        self.constant = constant
        self._ready = self._convert() if constant.stored.nbytes <= SMALL else None

    def tensor(self) -> torch.Tensor:
        """The constant in its carrier type."""
        return self._convert() if self._ready is None else self._ready

    def _convert(self) -> torch.Tensor:
        stored = torch.from_numpy(self.constant.array())
        return stored.to(carrier(self.constant.type.dtype.carrier))


class Declared:
    """The type of a result, looked up once for all the runs that are checked against it.

    Attributes:
        half: results are rounded to half precision.
    """

    def __init__(self, declared: TensorType) -> None:
        dtype = declared.dtype
        self.half = dtype.name == "fp16"
        self._type = declared
        self._carrier = carrier(dtype.carrier)
        static = declared.shape is not None and None not in declared.shape
        self._shape = declared.shape if static else None
        narrow = dtype.carrier != dtype.storage and dtype.kind == "int" and not dtype.packed
        self._mask = (1 << dtype.bits) - 1 if narrow and dtype.bits < 64 else None

    def conform(self, value: Any) -> torch.Tensor:
        """``value`` in its carrier, wrapped to the range of narrower integers; zeros for None.

        Raises:
            ValueError: it is no tensor, or its shape is not the declared one.
        """
        if value is None:
            return self._zeros()
        if not isinstance(value, torch.Tensor):  # the operation makes lists, or the graph lies
            raise ValueError(f"the result is no tensor, declared is {self._type}")
        if value.shape != self._shape and not self._type.allows(value.shape):
            raise ValueError(f"the result has shape {list(value.shape)}, declared is {self._type}")
        typed: torch.Tensor = value if value.dtype == self._carrier else value.to(self._carrier)
        return typed if self._mask is None else typed & self._mask

    def _zeros(self) -> torch.Tensor:
        if self._shape is None:
            raise ValueError(f"nothing was written, and {self._type} has run-time sizes")
        shape = [size or 0 for size in self._shape]
        guard(shape)
        return torch.zeros(shape, dtype=self._carrier)


def to_numpy(value: torch.Tensor, dtype: str) -> NDArray[Any]:
    """A copy of ``value`` as an array of the declared type."""
    return np.array(value.numpy(), dtype=dtype)
