"""Two tensors by value: how far apart they are, in float64, a piece at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.program import Constant
    from mobileo_export.artifacts.mlx.component_folder import ComponentFolder
    from mobileo_export.artifacts.mlx.folder import MLXFolder
    from mobileo_export.artifacts.mlx.plan import PlannedTensor
    from mobileo_export.inspection.difference_graph import ConstantPair

_PIECE = 1 << 19  # elements compared at a time: 4 MB as float64


@dataclass(frozen=True)
class TensorChange:
    """One tensor that differs.

    Attributes:
        name: in the checkpoint, as far as it is known.
        old: dtype (of a quantized one its bits), shape, and what it is stored as where that is
            another type; None when it was added.
        new: likewise; None when it was removed.
        relative_l2: ‖new − old‖ / ‖old‖ in float64; None when the shapes differ, when only
            ``old`` is zero, or when a value is not finite.
        max_abs: largest distance of two values; None likewise.
        changed: share of the values that differ at all; None when the shapes differ.
    """

    name: str
    old: str | None
    new: str | None
    relative_l2: float | None = None
    max_abs: float | None = None
    changed: float | None = None

    @property
    def rank(self) -> float:
        """What tensors are sorted by: those beyond measure first."""
        return math.inf if self.relative_l2 is None else self.relative_l2


class Figures(NamedTuple):
    """See :class:`TensorChange`."""

    relative_l2: float | None
    max_abs: float | None
    changed: float


def figures(pieces: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> Figures:
    """How far apart two tensors are, given as pairs of flat pieces of equal length."""
    apart = norm = 0.0
    largest, differing, count = 0.0, 0, 0
    for old, new in pieces:
        x, y = np.asarray(old, np.float64), np.asarray(new, np.float64)
        # Equal infinities, and NaN in one place, are no difference.
        differs = ~((x == y) | (np.isnan(x) & np.isnan(y)))
        count += x.size
        differing += int(differs.sum())
        distance = np.abs(np.where(differs, y, 0.0) - np.where(differs, x, 0.0))
        finite = np.where(np.isfinite(x), x, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):  # beyond measure, and told so
            apart += float(distance @ distance)
            norm += float(finite @ finite)
        largest = max(largest, float(distance.max(initial=0.0)))
        if math.isnan(float(distance.sum())):
            largest = math.inf
    measured = math.isfinite(apart) and math.isfinite(largest)
    relative = None
    if measured and (norm > 0 or apart == 0):
        relative = math.sqrt(apart / norm) if norm else 0.0
    return Figures(relative, largest if measured else None, differing / count if count else 0.0)


def of_constants(pairs: Iterable[ConstantPair]) -> tuple[tuple[TensorChange, ...], int]:
    """The constants of two packages: those that differ, and how many are equal."""
    changes, equal = [], 0
    for pair in pairs:
        old, new = pair.old, pair.new
        was, now = (None if side is None else _constant_text(side) for side in (old, new))
        if old is None or new is None:
            changes.append(TensorChange(pair.name, was, now))
        elif str(old.type) == str(new.type) and _same_bytes(old.stored, new.stored):
            equal += 1
        elif old.shape != new.shape:
            changes.append(TensorChange(pair.name, was, now))
        else:
            found = figures(_flat_pieces(old.array(), new.array()))
            changes.append(TensorChange(pair.name, was, now, *found))
    return _sorted(changes), equal


def of_mlx_folders(old: Path, new: Path) -> tuple[tuple[TensorChange, ...], int]:
    """The tensors of two MLX folders, as the numbers that the stored ones stand for.

    Raises:
        BundleError: a folder is damaged.
    """
    sides = (_opened(old), _opened(new))
    held = tuple({tensor.source: tensor for tensor in side.tensors} for side in sides)
    changes, equal = [], 0
    for name in dict.fromkeys((*held[0], *held[1])):
        one, other = (tensors.get(name) for tensors in held)
        was, now = (None if tensor is None else _stored_text(tensor) for tensor in (one, other))
        if one is None or other is None or one.shape != other.shape:
            changes.append(TensorChange(name, was, now))
        elif was == now and all(
            _same_bytes(sides[0].raw(stored), sides[1].raw(stored)) for stored in one.stored
        ):
            equal += 1
        else:
            pieces = zip(_row_pieces(sides[0], one), _row_pieces(sides[1], other), strict=True)
            changes.append(TensorChange(name, was, now, *figures(pieces)))
    return _sorted(changes), equal


def _opened(path: Path) -> MLXFolder | ComponentFolder:
    from mobileo_export.artifacts.mlx.component_folder import is_component, open_component
    from mobileo_export.artifacts.mlx.folder import open_folder

    return open_component(path) if is_component(path) else open_folder(path)


def _sorted(changes: list[TensorChange]) -> tuple[TensorChange, ...]:
    return tuple(sorted(changes, key=lambda change: (-change.rank, change.name)))


def _constant_text(constant: Constant) -> str:
    from mobileo_export.artifacts.mlpackage.expansion import Expanded

    form = f" as {constant.form}" if isinstance(constant, Expanded) else ""
    return f"{constant.type}{form}"


def _stored_text(tensor: PlannedTensor) -> str:
    plain = {"F16": "fp16", "F32": "fp32"}[tensor.dtype]
    bits = plain if tensor.bits == 16 else f"{tensor.bits}-bit/{tensor.group_size}"
    return f"{bits}[{', '.join(map(str, tensor.shape))}]"


def _row_pieces(
    folder: MLXFolder | ComponentFolder, tensor: PlannedTensor
) -> Iterator[NDArray[Any]]:
    """Flat pieces of equal lengths for tensors of equal shape, whatever they are stored as."""
    from mobileo_export.artifacts.mlx.packed import Quantized, dequantize

    columns = math.prod(tensor.shape[1:])
    rows = max(1, _PIECE // max(columns, 1))
    parts = [np.atleast_1d(folder.raw(name)) for name in tensor.stored]
    for start in range(0, len(parts[0]), rows):
        cut = [part[start : start + rows] for part in parts]
        values = (
            cut[0] if len(cut) == 1 else dequantize(Quantized(*cut), tensor.bits, tensor.group_size)
        )
        yield values.reshape(-1)


def _flat_pieces(
    old: NDArray[Any], new: NDArray[Any]
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    flat = (old.reshape(-1), new.reshape(-1))
    for start in range(0, flat[0].size, _PIECE):
        yield flat[0][start : start + _PIECE], flat[1][start : start + _PIECE]


def _same_bytes(old: NDArray[Any], new: NDArray[Any]) -> bool:
    if (old.dtype, old.shape) != (new.dtype, new.shape):
        return False
    flat = (old.reshape(-1).view(np.uint8), new.reshape(-1).view(np.uint8))
    step = _PIECE * 8
    return all(
        np.array_equal(flat[0][start : start + step], flat[1][start : start + step])
        for start in range(0, flat[0].size, step)
    )
