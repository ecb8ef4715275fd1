"""The parts of a compressed matrix in a Core AI program: integers or indices, scales, tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.compression.rounded import packed
from mobileo_export.parity.stored_values import forms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.artifacts.aimodel.program import AssetProgram, Blob
    from mobileo_export.compression.schemes import Stored

_END = 8  # bytes by which a small constant is recognized that has changed elsewhere


@dataclass(frozen=True)
class FormPart:
    """One part of a stored form.

    Attributes:
        name: what messages call it.
        values: of it.
        bits: that one of its numbers is stored in.
    """

    name: str
    values: NDArray[Any]
    bits: int

    def written(self) -> Iterator[NDArray[np.uint8]]:
        """The bytes it may be written in: packed, and of a small constant one for each number."""
        whole = np.ascontiguousarray(self.values)
        if self.bits < 8 * whole.itemsize:
            yield packed(whole, self.bits)
        yield whole.reshape(-1).view(np.uint8)


def of(form: Stored) -> Iterator[FormPart]:
    """Every part of ``form``."""
    bits = form.scheme.bits or 8 * form.data.itemsize
    yield FormPart("integers" if form.table is None else "indices", form.data, bits)
    for name, values in (("scales", form.scale), ("palettes", form.table)):
        if values is not None:
            yield FormPart(name, values, 8 * values.itemsize)
    if form.zero_point is not None:
        yield FormPart("zero points", form.zero_point, bits)


def find(held: AssetProgram, part: FormPart) -> tuple[Blob | None, str | None]:
    """The blob that ``part`` is, None where it stands among the attributes; else what is wrong."""
    for data in part.written():
        for blob in held.by_size.get(data.size, ()):
            if np.array_equal(held.raw(blob), data):
                return blob, None
        one = (part.values == part.values.flat[0]).all()  # which stands for all
        if data[: part.values.itemsize if one else None].tobytes() in held.inline:
            return None, None
    near = list(_near(held, part))
    if not near:
        return None, f"no constant holds its {part.name}"
    nearest = min(near, key=lambda values: np.count_nonzero(values != part.values))
    return None, forms.told(part.name, nearest, part.values)


def _near(held: AssetProgram, part: FormPart) -> Iterator[NDArray[Any]]:
    """What may stand in its place: blobs of its size, constants that begin or end as it does."""
    *_, data = part.written()
    if part.bits < 8:
        return
    places = [held.raw(blob) for blob in held.by_size.get(data.size, ())]
    start = held.inline.find(data[:_END].tobytes())
    end = held.inline.find(data[-_END:].tobytes())
    for place in (start, end + _END - data.size if end >= 0 else -1):
        if 0 <= place <= len(held.inline) - data.size:
            places.append(np.frombuffer(held.inline, np.uint8, data.size, place))
    for found in places:
        yield np.array(found).view(part.values.dtype).reshape(part.values.shape)
