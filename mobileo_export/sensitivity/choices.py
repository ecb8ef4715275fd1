"""What each way to store a matrix costs: bits, and the error that it is predicted to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.compression.schemes import Scheme, compress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from mobileo_export.compression.schemes import Stored
    from mobileo_export.sensitivity.importance import Importance
    from mobileo_export.sensitivity.judged import JudgedComponent

    Float = NDArray[np.float32]

# From the dearest on; what another one beats at fewer bits is never chosen.
SCHEMES = tuple(
    map(
        Scheme.parse,
        (
            "exact",
            "half",
            "int8",
            "palette8",
            "palette6",
            "palette6 rows 16",
            "palette4",
            "palette4 rows 64",
            "palette4 rows 16",
            "int4 block 32",
            "palette3",
            "palette3 rows 16",
            "palette2",
        ),
    )
)


@dataclass(frozen=True)
class Choice:
    """One way to store a matrix or the language model.

    Attributes:
        name: of the scheme; of the language model its bits.
        bits: that it takes, whatever lies beside the weights included.
        error: squared, relative to the component's outcome, that it adds to it.
    """

    name: str
    bits: int
    error: float


def of_matrix(judged: JudgedComponent, importance: Importance, matrix: str) -> list[Choice]:
    """All that fit ``matrix``, in the order of :data:`SCHEMES`."""
    values = judged.values(matrix)
    found = []
    for scheme in SCHEMES:
        if scheme.misfit(values.shape):
            continue
        stored = compress(values, scheme)
        error = 0.0 if scheme.form == "exact" else predicted(values, stored, importance, matrix)
        found.append(Choice(str(scheme), stored.bits, error))
    return found


def predicted(values: Float, stored: Stored, importance: Importance, matrix: str) -> float:
    """The squared relative error that ``stored`` in place of ``values`` adds to the outcome."""
    weights, rows = importance.weights(matrix), importance.rows(matrix)
    added = 0.0
    for run, part in stored.pieces():
        own = values[run].reshape(run.stop - run.start, -1).astype(np.float64)
        wrong = part.expanded().reshape(own.shape) - own
        squares = np.einsum("ij,ij->i", own, own)
        lacking = np.einsum("ij,ij->i", wrong, own) / np.where(squares == 0, 1, squares)
        own *= lacking[:, None]
        wrong -= own
        np.square(wrong, out=wrong)
        added += float(np.vdot(weights[run].reshape(own.shape).astype(np.float64), wrong))
        added += float(np.vdot(rows[run].astype(np.float64), lacking**2))
    return float(f"{added:.6g}")  # further digits depend on the machine


def as_json(choices: Mapping[str, Iterable[Choice]]) -> dict[str, Any]:
    """By matrix: scheme → [bits, error]."""
    return {name: {c.name: [c.bits, c.error] for c in made} for name, made in choices.items()}


def from_json(content: Mapping[str, Any]) -> dict[str, list[Choice]]:
    """What :func:`as_json` made."""
    return {
        name: [Choice(scheme, *numbers) for scheme, numbers in made.items()]
        for name, made in content.items()
    }
