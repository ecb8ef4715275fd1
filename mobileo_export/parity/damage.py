"""Damage done to outputs on purpose: a gate that lets one of these pass could not have noticed.

Each kind is small in the whole tensor and large where it is: what a wrong index, a swapped weight
or a padded token does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.metrics import slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.components import Layout
    from mobileo_export.parity.metrics import Family

# Less change than this where the damage is done is none: equal tokens can be swapped unnoticed.
_EFFECT = 0.1
# Kinds that change the whole output: what even a bound for four-bit weights has to notice.
GLOBAL = frozenset({"one value NaN", "tokens shifted", "shifted by one pixel"})


@dataclass(frozen=True)
class Damaged:
    """A copy of an output with one kind of damage."""

    kind: str
    values: NDArray[Any]


def damages(output: NDArray[Any], layout: Layout) -> Iterator[Damaged]:
    """Every kind of damage that changes ``output`` at all.

    Sequences: a token ruined, scaled by 1.5, left out (zero), all shifted by one; images: a patch
    zero or scaled by 1.5, all shifted by one pixel; both: two channels swapped, one value NaN.
    """
    kinds: list[tuple[str, Callable[[NDArray[Any]], None]]] = [
        ("two channels swapped", lambda array: _swap_channels(array, layout)),
        ("one value NaN", _not_a_number),
    ]
    if layout == "sequence":
        kinds += [
            ("one token ruined", lambda array: _each(array, lambda t: np.roll(t, t.size // 2))),
            ("one token x1.5", lambda array: _each(array, lambda t: t * 1.5)),
            ("one token zero", lambda array: _each(array, np.zeros_like)),
            ("tokens shifted", lambda array: _assign(array, np.roll(array, 1, -2))),
        ]
    elif layout == "image":
        kinds += [
            ("one patch x1.5", lambda array: _patch(array, 1.5)),
            ("one patch zero", lambda array: _patch(array, 0.0)),
            ("shifted by one pixel", lambda array: _assign(array, np.roll(array, 1, -1))),
        ]
    for kind, change in kinds:
        values = output.copy()
        with np.errstate(over="ignore"):  # of the largest float32
            change(values)
        changed = values != output
        if changed.any():
            effect = np.linalg.norm(values[changed].astype(np.float64) - output[changed])
            before = np.linalg.norm(output[changed].astype(np.float64))
            if not effect <= _EFFECT * before:
                yield Damaged(kind, values)


def _assign(array: NDArray[Any], values: NDArray[Any]) -> None:
    array[...] = values


def _typical(array: NDArray[Any], layout: Layout, family: Family) -> tuple[int, ...]:
    """Index of the slice of median norm: neither the easiest nor the hardest to notice."""
    cut = slices(array, layout, family)
    norms = np.linalg.norm(cut.values.astype(np.float64), axis=-1)
    place = int(np.argsort(norms)[len(norms) // 2])
    return tuple(map(int, np.unravel_index(place, cut.shape)))


def _each(array: NDArray[Any], change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    index = _typical(array, "sequence", "token")
    token = array.reshape(*array.shape[-len(index) - 1 :])[index]
    token[...] = change(token.copy())


def _patch(array: NDArray[Any], factor: float) -> None:
    *_, row, column = _typical(array, "image", "patch")
    side = max(4, -(-max(array.shape[-2:]) // 16))
    rows, columns = (slice(i * side, (i + 1) * side) for i in (row, column))
    array[..., rows, columns] *= np.asarray(factor, array.dtype)


def _swap_channels(array: NDArray[Any], layout: Layout) -> None:
    """The channel of median norm and the one most unlike it."""
    axis = -1 if layout in {"sequence", "logits"} else -3
    flat = np.moveaxis(array, axis, 0)
    rows = flat.reshape(flat.shape[0], -1).astype(np.float64)
    first = int(np.argsort((rows**2).sum(-1))[len(rows) // 2])
    second = int(np.argmax(((rows - rows[first]) ** 2).sum(-1)))
    flat[[first, second]] = flat[[second, first]]


def _not_a_number(array: NDArray[Any]) -> None:
    array.reshape(-1)[array.size // 2] = np.nan
