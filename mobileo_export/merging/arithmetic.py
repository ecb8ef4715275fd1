"""The sum itself: in float64, block by block, rounded once to what the base stores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.safetensors_file import to_bfloat16
from mobileo_export.errors import CheckpointError
from mobileo_export.merging.tensors import StoredTensor, not_finite, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.merging.adapter import LoraPair

_COPY = 1 << 22  # elements at a time
# Elements and multiplications at a time: float64 temporaries stay in cache, and OpenBLAS starts no
# threads of its own, which would fight with ours (five to ten times slower on two cores).
_BLOCK, _PRODUCTS = 1 << 14, 1 << 18
Write = Callable[[int, "NDArray[Any]"], None]


@dataclass(frozen=True)
class Change:
    """What became of one tensor.

    ``relative`` is ‖new − old‖ / ‖old‖. ``kept`` is the part of the adapter's update that survived
    the rounding, ⟨new − start, update⟩ / ‖update‖²: about 1, less when the updates are smaller
    than the base's dtype can tell apart. None without an adapter, or when its update is zero.
    """

    changed: bool
    relative: float
    kept: float | None


def copy(tensor: StoredTensor, write: Write) -> None:
    """Write a tensor as it is."""
    flat = tensor.load().reshape(-1)
    for first in range(0, flat.size, _COPY):
        write(first, flat[first : first + _COPY])


def merge(
    old: StoredTensor, start: StoredTensor, pair: LoraPair | None, dtype: str, write: Write
) -> Change:
    """Write ``start`` plus the adapter's update as ``dtype``, and compare with ``old``.

    Args:
        old: what the base holds.
        start: what is added to: ``old`` itself, or trained values of its shape.
        pair: the update's factors, or None.
        dtype: of the new tensor.
        write: takes the first element's index and raw values.

    Raises:
        CheckpointError: a value is not finite, or does not fit ``dtype``.
    """
    before, values = old.load().reshape(-1), start.load().reshape(-1)
    if not start.floating:
        copy(start, write)
        return Change(not np.array_equal(before, values), 0.0, None)
    columns = math.prod(start.shape[1:])
    left, right = pair.factors() if pair else (None, None)
    step = _BLOCK
    if pair is not None:
        step = max(min(_BLOCK, _PRODUCTS // pair.rank) // columns, 1) * columns
    sums = np.zeros(4)  # ‖new − old‖², ‖old‖², ⟨new − start, update⟩, ‖update‖²
    changed = False
    for first in range(0, values.size, step):
        part = slice(first, first + step)
        base = widened(values[part], start.dtype).astype(np.float64)
        if left is not None and right is not None:
            update = (left[first // columns : (first + step) // columns] @ right).reshape(-1)
            raw = rounded(base + update, dtype)
        else:
            update = None
            same = start.dtype == dtype
            raw = np.asarray(values[part]) if same else rounded(base, dtype)
        new = widened(raw, dtype).astype(np.float64)
        _check(start, base, new, dtype)
        past = widened(before[part], old.dtype).astype(np.float64)
        difference = new - past
        sums[:2] += _dot(difference, difference), _dot(past, past)
        if update is not None:
            sums[2:] += _dot(new - base, update), _dot(update, update)
        changed = changed or bool(difference.any())
        write(first, raw)
    relative = _ratio(math.sqrt(sums[0]), math.sqrt(sums[1]))
    return Change(changed, relative, float(sums[2] / sums[3]) if sums[3] else None)


def rounded(values: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    """float64 as raw bfloat16, float16 or float32: rounded once, to nearest even."""
    with np.errstate(over="ignore"):  # infinity is found and reported by whoever asked
        if dtype == "F16":
            return values.astype(np.float16)
        single = values.astype(np.float32)
        if dtype == "F32":
            return single
        # On the way to bfloat16, float32 must not round to a tie that was none: values that it
        # cannot hold are truncated, and their last bit says that something followed.
        wide = single.astype(np.float64)
        bits = single.view(np.uint32)
        bits -= (np.abs(wide) > np.abs(values)) & np.isfinite(wide)
        bits |= (wide != values) & np.isfinite(wide)
        return to_bfloat16(single)


def _dot(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    return float(np.einsum("i,i->", left, right))  # unlike left @ right, without BLAS's threads


def _check(
    start: StoredTensor, base: NDArray[np.float64], new: NDArray[np.float64], dtype: str
) -> None:
    if np.isfinite(new).all():
        return
    if not np.isfinite(base).all():
        raise not_finite(start)
    raise CheckpointError(
        f"{start}: the merged values exceed what {dtype} holds; the adapter is damaged or its "
        "training diverged"
    )


def _ratio(difference: float, norm: float) -> float:
    if norm == 0:
        return 0.0 if difference == 0 else math.inf
    return difference / norm
