"""How a matrix is stored in fewer bits: schemes by name, the stored form, and what it stands for.

Only NumPy. The values that a scheme leaves are those that Core ML expands its form to.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mobileo_export.compression.exact import PIECE, Empty, halved, nearest
from mobileo_export.compression.palettes import palettes
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Form = Literal["exact", "half", "int", "palette"]
Shape = tuple[int, ...]

INTEGER_BITS = (8, 4)
_HALF = 16  # bits
PALETTE_BITS = (8, 6, 4, 3, 2, 1)
FORMS = "exact, half, int8, int4 block 32, palette6, palette4 rows 16"
_SCHEME = re.compile(
    r"(?P<form>exact|half|int|palette)(?P<bits>[0-9]{1,7})?"
    r"(?: block (?P<block>[0-9]{1,7}))?(?: rows (?P<rows>[0-9]{1,7}))?(?P<zero> zero-point)?"
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
            shown = repr(text) if len(text) < 80 else f"{text[:80]!r}…"
            raise UsageError(f"scheme {shown} is none; there are {FORMS}")
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
        """Why a matrix of ``shape`` cannot be stored so, or gains nothing; None if it can."""
        if self.block and shape[1] % self.block:
            return f"{shape[1]} inputs are no multiple of {self.block}"
        if self.rows and shape[0] % self.rows:
            return f"{shape[0]} outputs are no multiple of {self.rows}"
        if self.bits and (taken := self.stored_bits(shape) / math.prod(shape)) >= _HALF:
            return f"with scales or tables it takes {taken:.1f} bits a weight"
        return None

    def stored_bits(self, shape: Shape, wide: int = 32) -> int:
        """Bits of a matrix of ``shape``, scales and tables included; ``exact`` as if it halved.

        ``wide`` are the bits of a scale and of an entry of a table.
        """
        size = math.prod(shape)
        if self.form in ("exact", "half"):
            return 16 * size
        if self.form == "int":
            groups = shape[0] * (shape[1] // self.block if self.block else 1)
            return self.bits * size + groups * (wide + (self.bits if self.zero_point else 0))
        groups = shape[0] // self.rows if self.rows else 1
        return self.bits * size + (groups * wide << self.bits)


@dataclass(frozen=True)
class Stored:
    """A matrix in its stored form; ``data`` has its shape, whatever the bits of an element.

    Attributes:
        scheme: that made it; ``exact`` that could not be halved has data as they were, no scale.
        data: float32, float16, int8, or uint8 (zero points and indices).
        scale: of as many axes as ``data``; each element serves a block.
        zero_point: uint8 like ``scale``, or None.
        table: ``[groups of rows, 1, ..., entries, 1]`` with an axis of groups for each of
            ``data``, or None. Tables and scales are of the type that is computed in: float32, or
            float16.
    """

    scheme: Scheme
    data: NDArray[Any]
    scale: NDArray[np.floating[Any]] | None = None
    zero_point: NDArray[np.uint8] | None = None
    table: NDArray[np.floating[Any]] | None = None

    def expanded(self) -> NDArray[np.floating[Any]]:
        """The values that it stands for, in the type that is computed in."""
        if self.table is not None:
            groups, entries = self.table.shape[0], self.table.shape[-2]
            indices = self.data.reshape(groups, -1)
            tables = self.table.reshape(groups, entries)
            made = [np.take(table, row) for table, row in zip(tables, indices, strict=True)]
            return np.stack(made).reshape(self.data.shape)
        if self.scale is None:
            return self.data
        values, scale = self.data.astype(np.float32), self.scale
        if self.zero_point is not None:
            values -= spread(self.zero_point, values.shape)
        values *= spread(scale, values.shape)
        return values.astype(scale.dtype, copy=False)

    def computed_in(self, dtype: np.dtype[Any]) -> Stored:
        """The same with scales and tables of ``dtype``, to nearest."""
        scale, table = (
            None if part is None else part.astype(dtype, copy=False)
            for part in (self.scale, self.table)
        )
        return replace(self, scale=scale, table=table)

    def pieces(self) -> Iterator[tuple[slice, Stored]]:
        """Runs of rows that fit a processor's cache, each with its part of all this."""
        rows, groups = self.data.shape[0], 1 if self.table is None else self.table.shape[0]
        unit = rows // groups if groups > 1 else 1
        step = unit * max(1, PIECE * rows // max(self.data.size, 1) // unit)
        for first in range(0, rows, step):
            run = slice(first, min(first + step, rows))
            tables = slice(first // unit, -(-run.stop // unit)) if groups > 1 else slice(None)
            yield (
                run,
                replace(
                    self,
                    data=self.data[run],
                    scale=_rows(self.scale, run),
                    zero_point=_rows(self.zero_point, run),
                    table=None if self.table is None else self.table[tables],
                ),
            )

    @property
    def bits(self) -> int:
        """Of all that is stored."""
        per = self.scheme.bits or self.data.itemsize * 8
        beside = 0 if self.zero_point is None else per * self.zero_point.size
        for part in (self.scale, self.table):
            beside += 0 if part is None or part.size == 1 else 8 * part.nbytes
        return per * self.data.size + beside


def compress(
    values: NDArray[np.floating[Any]],
    scheme: Scheme,
    importance: NDArray[np.float32] | None = None,
    empty: Empty = np.empty,
) -> Stored:
    """``values`` ``[out, in, ...]``, finite, as ``scheme`` stores them, each rounded to nearest.

    ``importance``, of the same shape and not negative, weighs the errors that a table is made to
    keep small; it matters to palettes alone. Of float16 values, scales and tables are float16, and
    ``exact`` and ``half`` leave them as they are. ``empty`` makes the array that ``data`` is
    written to.

    Raises:
        UsageError: the scheme does not fit the shape.
    """
    reason = scheme.misfit(values.shape)
    if reason is not None:
        raise UsageError(f"{scheme} does not fit: {reason}")
    if scheme.form in ("exact", "half"):
        found = halved(values, empty) if values.dtype == np.float32 else None
        if found is None and (scheme.form == "exact" or values.dtype == np.float16):
            return Stored(scheme, values)
        found = found or nearest(values, empty)
        return Stored(scheme, found.data, np.full((1,) * values.ndim, found.scale, np.float32))
    if scheme.form == "int":
        return _integers(values, scheme, empty)
    groups = values.shape[0] // scheme.rows if scheme.rows else 1
    tables, indices = palettes(
        values.reshape(groups, -1),
        scheme.bits,
        None if importance is None else importance.reshape(groups, -1),
        empty,
    )
    shape = (groups, *(1,) * (values.ndim - 1), 2**scheme.bits, 1)
    return Stored(scheme, indices.reshape(values.shape), table=tables.reshape(shape))


def squares(stored: Stored, values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """‖expanded − values‖² and ‖values‖², in float64."""
    apart = whole = 0.0
    for run, part in stored.pieces():
        wanted = values[run].astype(np.float64).reshape(-1)
        off = part.expanded().reshape(-1) - wanted
        apart += float(np.dot(off, off))
        whole += float(np.dot(wanted, wanted))
    return apart, whole


def relative(apart: float, whole: float) -> float:
    """The relative L2 error of :func:`squares`; 0 for no difference at all."""
    return math.sqrt(apart / whole) if apart else 0.0


def spread(groups: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """``groups``, each element of which serves a block of ``shape``; broadcasts to that shape."""
    for axis, (size, count) in enumerate(zip(shape, groups.shape, strict=True)):
        groups = groups if count in (1, size) else np.repeat(groups, size // count, axis)
    return groups


def _integers(values: NDArray[np.floating[Any]], scheme: Scheme, empty: Empty) -> Stored:
    rows, inputs = values.shape[:2]
    groups = inputs // (scheme.block or inputs)
    blocks = values.reshape(rows, groups, -1)
    scale = np.empty((rows, groups), values.dtype)
    zero = np.empty((rows, groups), np.uint8)
    data = empty(blocks.shape, np.uint8 if scheme.zero_point else np.int8)
    make = _unsigned if scheme.zero_point else _signed
    step = max(1, PIECE // max(blocks[0].size, 1))
    for first in range(0, rows, step):
        run = slice(first, first + step)
        make(blocks[run].astype(np.float32), scheme.bits, data[run], scale[run], zero[run])
    shape = (rows, groups, *(1,) * (values.ndim - 2))
    return Stored(
        scheme,
        data.reshape(values.shape),
        scale.reshape(shape),
        zero.reshape(shape) if scheme.zero_point else None,
    )


def _signed(
    blocks: NDArray[np.float32],
    bits: int,
    data: NDArray[Any],
    scale: NDArray[Any],
    zero: NDArray[np.uint8],
) -> None:
    """Fill in ``data`` and ``scale`` of ``blocks`` ``[rows, groups, values]``, which are lost."""
    top = 2 ** (bits - 1) - 1
    scale[...] = _scales(np.maximum(-blocks.min(2), blocks.max(2)), top, scale.dtype)
    blocks /= scale[..., None].astype(np.float32)
    np.rint(blocks, out=blocks)
    np.clip(blocks, -top, top, out=blocks)
    data[...] = blocks


def _unsigned(
    blocks: NDArray[np.float32],
    bits: int,
    data: NDArray[Any],
    scale: NDArray[Any],
    zero: NDArray[np.uint8],
) -> None:
    """As :func:`_signed`, with the integer that means 0 in ``zero``."""
    low, high = np.minimum(blocks.min(2), 0), np.maximum(blocks.max(2), 0)
    steps = 2**bits - 1
    # In halves: of the largest float32 the range would be infinite.
    scale[...] = _scales(high / 2 - low / 2, steps / 2, scale.dtype)
    wide = scale.astype(np.float32)
    zero[...] = np.clip(np.rint(-low / wide), 0, steps)
    blocks /= wide[..., None]
    np.rint(blocks, out=blocks)
    blocks += zero[..., None]
    np.clip(blocks, 0, steps, out=blocks)
    data[...] = blocks


def _scales(largest: NDArray[np.float32], steps: float, dtype: np.dtype[Any]) -> NDArray[Any]:
    """What one of ``steps`` is worth; 1 where a block is all zeros, or a float32 not normal.

    A float16 is not rounded down: a small one has few digits, and the largest value must fit.
    """
    exact = largest.astype(np.float64) / steps
    if dtype == np.float16:
        found = exact.astype(np.float16)
        found = np.where(found < exact, np.nextafter(found, np.float16(np.inf)), found)
        return np.where(exact == 0, np.float16(1), found)
    return np.where(exact < np.finfo(np.float32).tiny, 1, exact).astype(np.float32)


def _rows(part: NDArray[Any] | None, run: slice) -> NDArray[Any] | None:
    return part if part is None or part.shape[0] == 1 else part[run]
