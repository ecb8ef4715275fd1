"""A compressed weight of a package, part by part, against the form it should have.

What it expands to says that something is wrong; its parts say what: the integers, the scales, the
zero points or the tables, and where.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlpackage.expansion import LOOK_UP, Expanded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.program import Constant
    from mobileo_export.compression.schemes import Stored


# How many times as far from the checkpoint's values as rounding to nearest a row of calibrated
# integers, or the rows of one palette, may be: 2.9 times were seen. Integers that are all one off,
# or a palette whose entries move on by one, make it 3.5 and more.
_CALIBRATED = 3.3


def too_far(found: Constant, nearest: Stored, values: NDArray[Any]) -> str | None:
    """What of ``found`` no rounding of ``values`` explains, in words; None when nothing.

    For a matrix whose integers or indices were chosen for what reaches it, and its palettes too:
    they cannot be made anew, but no row strays far. Scales and zero points can, and are compared.
    """
    if not isinstance(found, Expanded):
        return f"is stored as {found.type.dtype.name}, the plan says {nearest.scheme}"
    problem = _form(found, nearest)
    if problem is not None:
        return problem
    for parameter, name, part in _parts(found, nearest):
        if parameter in ("scale", "offset") and part is not None:
            problem = told(name, found.parts[parameter].array(), part)
            if problem is not None:
                return problem
    groups = len(values) if nearest.table is None else len(nearest.table)

    def apart(stored: NDArray[Any]) -> NDArray[np.float64]:
        off = stored.astype(np.float64).reshape(values.shape) - values
        distances: NDArray[np.float64] = np.linalg.norm(off.reshape(groups, -1), axis=1)
        return distances

    far, near = apart(found.array()), apart(nearest.expanded())
    # Where nearest happens to be exact the rest of the matrix is the measure.
    near = np.maximum(near, 0.5 * np.sqrt(np.mean(np.square(near))))
    wrong = np.flatnonzero(~(far <= _CALIBRATED * near))
    if not wrong.size:
        return None
    what, first = "rows" if nearest.table is None else "palettes", int(wrong[0])
    return (
        f"{wrong.size:,} of {groups:,} {what} are no rounding of the checkpoint's values, first "
        f"{first}: {far[first] / near[first]:.1f} times as far as the nearest"
    )


def differences(found: Constant, wanted: Stored) -> str | None:
    """What of ``found`` is not as in ``wanted``, in words; None when all of it is to the bit."""
    if isinstance(found, Expanded) != (wanted.scale is not None or wanted.table is not None):
        return f"is stored as {found.type.dtype.name}, the plan says {wanted.scheme}"
    if not isinstance(found, Expanded):
        return told("values", found.array(), wanted.data)
    problem = _form(found, wanted)
    if problem is not None:
        return problem
    parts = [
        told(name, found.parts[parameter].array(), values)
        for parameter, name, values in _parts(found, wanted)
        if values is not None
    ]
    return "; ".join(part for part in parts if part is not None) or None


def _parts(found: Expanded, wanted: Stored) -> Iterator[tuple[str, str, NDArray[Any] | None]]:
    if found.kind == LOOK_UP:
        yield "indices", "indices", wanted.data
        yield "lut", "palettes", wanted.table
        return
    halves = not wanted.scheme.bits
    yield "data", "halves" if halves else "integers", wanted.data
    yield "scale", "power of two" if halves else "scales", wanted.scale
    yield "offset", "zero points", wanted.zero_point


def _form(found: Expanded, wanted: Stored) -> str | None:
    """Whether there are the same parts, of the same types and shapes."""
    dtype, bits = found.elements.type.dtype, wanted.scheme.bits or wanted.data.itemsize * 8
    held = {parameter for parameter, _, values in _parts(found, wanted) if values is not None}
    same = (
        held == found.parts.keys()
        and dtype.bits == bits
        and dtype.kind == ("float" if wanted.data.dtype.kind == "f" else "int")
        and dtype.signed == (wanted.data.dtype.kind != "u")
        and all(
            values is None or found.parts[parameter].shape == values.shape
            for parameter, _, values in _parts(found, wanted)
        )
    )
    if same:
        return None
    parts = ", ".join(f"{name} {part.type}" for name, part in found.parts.items())
    return f"is stored as {parts}, the plan says {wanted.scheme}"


def told(name: str, found: NDArray[Any], wanted: NDArray[Any]) -> str | None:
    """How the part called ``name`` differs from what it should be; None when it does not."""
    if found.shape != wanted.shape:
        return f"its {name} are {list(found.shape)}, not {list(wanted.shape)}"
    wrong = found != wanted
    count = int(np.count_nonzero(wrong))
    if not count:
        return None
    first = ", ".join(map(str, np.argwhere(wrong)[0]))
    how = _how(name, found, wanted, wrong)
    return f"{count:,} of {found.size:,} {name} are others, first [{first}]{how}"


def _how(name: str, found: NDArray[Any], wanted: NDArray[Any], wrong: NDArray[np.bool_]) -> str:
    """What was done to them, if undoing it gives the right ones."""
    if name in ("integers", "indices") and found.size % 2 == 0:
        pairs = found.reshape(-1, 2)[:, ::-1].reshape(found.shape)
        if np.array_equal(pairs, wanted):
            return ": each two neighbours are swapped"
    if name == "palettes":
        one, other = (np.sort(values, axis=-2) for values in (found, wanted))
        if np.array_equal(one, other):
            return ": their entries are permuted"
    one, other = found[wrong].astype(np.float64), wanted[wrong].astype(np.float64)
    if name == "zero points":
        apart = np.unique(one - other)
        return f": off by {int(apart[0]):+d}" if len(apart) == 1 else ""
    if name in ("scales", "palettes", "power of two"):
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = np.unique(one / other)
        if len(factors) == 1:
            return f": multiplied by {factors[0]:.6g}"
        if np.array_equal(np.sort(one), np.sort(other)):
            return ": those of other blocks"
    return ""
