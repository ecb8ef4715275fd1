"""The parts of a compressed matrix in a Core AI program: integers or indices, scales, tables.

The program names no matrix, but its constants stand in the order of their use: among the large ones
what belongs to a matrix follows its integers, and the small ones among the attributes follow each
other as the integers do. So a part that lies in another matrix's place is found, except where it
cannot be told from others: a part of one repeated number, of which the program may hold the number
alone, a small one whose bytes stand there more than once, or one that equals another matrix's.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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


@dataclass(frozen=True)
class Standing:
    """Where a part stands.

    Attributes:
        blobs: that hold it; none where it stands among the attributes.
        inline: where it begins among these; None where that is not known.
    """

    blobs: tuple[Blob, ...] = ()
    inline: int | None = None


def find(held: AssetProgram, part: FormPart) -> Standing | str:
    """Where ``part`` stands in the program, wherever that is; what is wrong if it does not."""
    for data in part.written():
        blobs = [b for b in held.by_size.get(data.size, ()) if np.array_equal(held.raw(b), data)]
        if blobs:
            return Standing(tuple(blobs))
        one = (part.values == part.values.flat[0]).all()  # which stands for all
        searched = data[: part.values.itemsize if one else None].tobytes()
        if searched in held.inline:
            alone = not one and held.inline.count(searched) == 1
            return Standing(inline=held.inline.find(searched) if alone else None)
    near = list(_near(held, part))
    if not near:
        return f"no constant holds its {part.name}"
    nearest = min(near, key=lambda values: np.count_nonzero(values != part.values))
    return forms.told(part.name, nearest, part.values) or Standing()


def misplaced(
    found: Mapping[str, Sequence[tuple[str, Standing]]],
) -> Iterator[tuple[str, str]]:
    """The parts that stand in another matrix's place, each with its matrix.

    Args:
        found: by matrix, the names of its parts and where each stands, integers or indices first.
    """
    equal = Counter(standing for parts in found.values() for _, standing in parts)
    placed = sorted(
        (parts[0][1].blobs[0].offset, name)
        for name, parts in found.items()
        if len(parts[0][1].blobs) == 1
    )
    ends = [*(start for start, _ in placed), math.inf][1:]
    small: list[tuple[str, str, int]] = []
    for (start, name), end in zip(placed, ends, strict=True):
        for part, standing in found[name][1:]:
            if equal[standing] > 1:
                continue
            if standing.blobs and not any(start < b.offset < end for b in standing.blobs):
                yield name, part
            elif standing.inline is not None:
                small.append((name, part, standing.inline))
    rising = _rising([offset for *_, offset in small])
    yield from ((name, part) for name, part, offset in small if offset not in rising)


def _rising(numbers: Sequence[int]) -> set[int]:
    """The most of ``numbers``, all different, that rise one after the other."""
    ends: list[int] = []  # the least that as many rising numbers end with
    before: dict[int, int | None] = {}
    for number in numbers:
        place = bisect_left(ends, number)
        before[number] = ends[place - 1] if place else None
        ends[place : place + 1] = [number]
    chosen: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        chosen.add(last)
        last = before[last]
    return chosen


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
