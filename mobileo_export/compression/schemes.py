"""How a matrix is stored in fewer bits: schemes by name, the stored form, and what it stands for.

Only NumPy. The values that a scheme leaves are the float32 that Core ML expands its form to.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mobileo_export.compression.exact import halved, nearest
from mobileo_export.compression.palettes import palettes
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Form = Literal["exact", "half", "int", "palette"]
Shape = tuple[int, ...]

INTEGER_BITS = (8, 4)
PALETTE_BITS = (8, 6, 4, 3, 2, 1)
FORMS = "exact, half, int8, int4 block 32, palette6, palette4 rows 16"
_SCHEME = re.compile(
    r"(?P<form>exact|half|int|palette)(?P<bits>[0-9]+)?"
    r"(?: block (?P<block>[0-9]+))?(?: rows (?P<rows>[0-9]+))?(?P<zero> zero-point)?"
)


@dataclass(frozen=True)
class Scheme:
    """One way to store a matrix ``[out, in, ...]``.

    ``exact`` is float16 times a power of two where that changes no bit, else float32; ``half`` the
    same, rounded to nearest. ``int`` is an integer times a scale, ``palette`` an index into a table
    of float32.

    Attributes:
        form: which of them.
        bits: of an integer or an index.
        block: inputs that share a scale; None for a whole row.
        rows: outputs that share a table; None for all of the matrix.
        zero_point: whether integers are unsigned and each scale has an integer that means 0.
    """

    form: Form
    bits: int = 0
    block: int | None = None
    rows: int | None = None
    zero_point: bool = False

    @classmethod
    def parse(cls, text: str) -> Scheme:
        """The scheme of a name such as ``int4 block 32`` or ``palette6 rows 16``.

        Raises:
            UsageError: there is no such scheme.
        """
        found = _SCHEME.fullmatch(text)
        if found is None:
            raise UsageError(f"scheme {text!r} is none; there are {FORMS}")
        form: Form = found["form"]  # type: ignore[assignment]
        bits, block, rows = (int(found[name] or 0) for name in ("bits", "block", "rows"))
        allowed = {"int": INTEGER_BITS, "palette": PALETTE_BITS}.get(form, (0,))
        if bits not in allowed:
            listed = ", ".join(map(str, allowed)) if allowed != (0,) else "none"
            raise UsageError(f"scheme {text!r}: bits of {form} are {listed}")
        for what, stated, taken in (
            ("block", found["block"], form == "int"),
            ("rows", found["rows"], form == "palette"),
            ("zero-point", found["zero"], form == "int"),
        ):
            if stated is not None and not taken:
                raise UsageError(f"scheme {text!r}: {form} takes no {what}")
        if "0" in (found["block"], found["rows"]):
            raise UsageError(f"scheme {text!r}: a group of 0 divides nothing")
        return cls(form, bits, block or None, rows or None, found["zero"] is not None)

    def __str__(self) -> str:
        text = self.form + (str(self.bits) if self.bits else "")
        text += f" block {self.block}" if self.block else ""
        text += f" rows {self.rows}" if self.rows else ""
        return text + (" zero-point" if self.zero_point else "")

    def misfit(self, shape: Shape) -> str | None:
        """Why a matrix of ``shape`` cannot be stored so; None if it can."""
        if self.block and shape[1] % self.block:
            return f"{shape[1]} inputs are no multiple of {self.block}"
        if self.rows and shape[0] % self.rows:
            return f"{shape[0]} outputs are no multiple of {self.rows}"
        return None

    def stored_bits(self, shape: Shape) -> int:
        """Bits of a matrix of ``shape``, scales and tables included; ``exact`` as if it halved."""
        size = math.prod(shape)
        if self.form in ("exact", "half"):
            return 16 * size
        if self.form == "int":
            groups = shape[0] * (shape[1] // self.block if self.block else 1)
            return self.bits * size + groups * (32 + (self.bits if self.zero_point else 0))
        groups = shape[0] // self.rows if self.rows else 1
        return self.bits * size + (groups * 32 << self.bits)


@dataclass(frozen=True)
class Stored:
    """A matrix in its stored form; ``data`` has its shape, whatever the bits of an element.

    Attributes:
        scheme: that made it; ``exact`` that could not be halved has float32 data and no scale.
        data: float32, float16, int8, or uint8 (zero points and indices).
        scale: float32, of as many axes as ``data``; each element serves a block.
        zero_point: uint8 like ``scale``, or None.
        table: float32 ``[groups of rows, 1, ..., entries, 1]`` with an axis of groups for each of
            ``data``, or None.
    """

    scheme: Scheme
    data: NDArray[Any]
    scale: NDArray[np.float32] | None = None
    zero_point: NDArray[np.uint8] | None = None
    table: NDArray[np.float32] | None = None

    def expanded(self) -> NDArray[np.float32]:
        """The values that it stands for, computed in float32."""
        if self.table is not None:
            groups, entries = self.table.shape[0], self.table.shape[-2]
            rows = self.data.reshape(groups, -1).astype(np.int64)
            first = np.arange(groups)[:, None] * entries
            made: NDArray[np.float32] = self.table.reshape(-1)[first + rows]
            return made.reshape(self.data.shape)
        if self.scale is None:
            return self.data.astype(np.float32)
        values, scale = self.data.astype(np.float32), self.scale
        if self.zero_point is not None:
            values = values - spread(self.zero_point, values.shape).astype(np.float32)
        values *= spread(scale, values.shape)
        return values

    @property
    def bits(self) -> int:
        """Of all that is stored."""
        per = self.scheme.bits or self.data.itemsize * 8
        beside = 0 if self.zero_point is None else per * self.zero_point.size
        for part in (self.scale, self.table):
            beside += 0 if part is None or part.size == 1 else 32 * part.size
        return per * self.data.size + beside


def compress(
    values: NDArray[np.float32], scheme: Scheme, importance: NDArray[np.float32] | None = None
) -> Stored:
    """``values`` ``[out, in, ...]``, finite, as ``scheme`` stores them, each rounded to nearest.

    ``importance``, of the same shape and not negative, weighs the errors that a table is made to
    keep small; it matters to palettes alone.

    Raises:
        UsageError: the scheme does not fit the shape.
    """
    reason = scheme.misfit(values.shape)
    if reason is not None:
        raise UsageError(f"{scheme} does not fit: {reason}")
    if scheme.form in ("exact", "half"):
        found = halved(values)
        if found is None and scheme.form == "exact":
            return Stored(scheme, values)
        found = found or nearest(values)
        scale = np.full((1,) * values.ndim, found.scale, np.float32)
        return Stored(scheme, found.data, scale)
    if scheme.form == "int":
        return _integers(values, scheme)
    groups = values.shape[0] // scheme.rows if scheme.rows else 1
    tables, indices = palettes(
        values.reshape(groups, -1),
        scheme.bits,
        None if importance is None else importance.reshape(groups, -1),
    )
    shape = (groups, *(1,) * (values.ndim - 1), 2**scheme.bits, 1)
    return Stored(scheme, indices.reshape(values.shape), table=tables.reshape(shape))


def spread(groups: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """``groups``, each element of which serves a block of ``shape``, in that shape."""
    for axis, (size, count) in enumerate(zip(shape, groups.shape, strict=True)):
        groups = groups if count == 1 else np.repeat(groups, size // count, axis)
    return groups


def _integers(values: NDArray[np.float32], scheme: Scheme) -> Stored:
    inputs, block = values.shape[1], scheme.block or values.shape[1]
    rest = (1,) * (values.ndim - 2)
    blocks = values.reshape(values.shape[0], inputs // block, -1).astype(np.float64)
    low, high = blocks.min(2), blocks.max(2)
    top = 2 ** (scheme.bits - 1) - 1
    if scheme.zero_point:
        low, high = np.minimum(low, 0), np.maximum(high, 0)
        steps = 2**scheme.bits - 1
        scale = _scales((high - low) / steps)
        zero = np.clip(np.rint(-low / scale), 0, steps)
        data = np.clip(np.rint(blocks / scale[..., None]) + zero[..., None], 0, steps)
        points = zero.astype(np.uint8).reshape(*zero.shape, *rest)
        data_type: type[Any] = np.uint8
    else:
        scale = _scales(np.maximum(-low, high) / top)
        data, points = np.clip(np.rint(blocks / scale[..., None]), -top, top), None
        data_type = np.int8
    return Stored(
        scheme,
        data.astype(data_type).reshape(values.shape),
        scale.reshape(*scale.shape, *rest),
        points,
    )


def _scales(exact: NDArray[np.float64]) -> NDArray[np.float32]:
    """In float32; 1 where a block is all zeros, or so small that a scale would not be normal."""
    return np.where(exact < np.finfo(np.float32).tiny, 1, exact).astype(np.float32)
