"""The gates: one table of bounds, derived in docs/gates.md.

A bound is about five times what was measured without a defect, never what makes a run pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mobileo_export.errors import UsageError
from mobileo_export.parity.metrics import SLICE_FLOOR

if TYPE_CHECKING:
    from mobileo_export.parity.metrics import Metrics

Precision = Literal["float32", "float16"]

# Values near zero among large ones carry the rounding error of the large ones; in half precision
# that is 5e-4 of them, so slices below a twentieth of the usual norm are measured against that.
HALF_SLICE_FLOOR = 0.05


@dataclass(frozen=True)
class Gate:
    """The bounds for one component, computed in one precision by one kind of runtime.

    Attributes:
        component: a name of ``components.COMPONENTS``.
        precision: what the artifact computes in.
        runtime: ``mil``, or ``coreml`` with its compute units, such as ``coreml cpu_only``.
        relative_l2: largest allowed.
        worst_slice: largest allowed error of any token, channel or patch.
        psnr: smallest allowed, in dB.
        slice_floor: see ``metrics.compare``.
        provisional: not measured yet; an estimate that a measurement has to replace.
    """

    component: str
    precision: Precision
    runtime: str
    relative_l2: float | None
    worst_slice: float
    psnr: float | None = None
    slice_floor: float = SLICE_FLOOR
    provisional: bool = False


@dataclass(frozen=True)
class Row:
    """One bound, applied: ``metric`` is ``finite``, ``relative_l2``, ``worst_slice``, ``psnr``."""

    metric: str
    value: float
    limit: float
    holds: bool


COREML_UNITS = ("cpu_only", "cpu_and_gpu", "cpu_and_ne", "all")
# Float32 graphs on the evaluator, relative L2 and worst slice: about five times the larger of the
# tiny and the full-size model's floor.
_FLOAT32 = {
    "vision_encoder": (5e-6, 1e-4),
    "mcp": (3e-6, 1e-4),
    "dit": (2e-5, 1e-4),
    "vae_decoder": (7.5e-6, 1e-4),
}


def _table() -> tuple[Gate, ...]:
    gates = []
    for component, (relative_l2, worst_slice) in _FLOAT32.items():
        gates.append(Gate(component, "float32", "mil", relative_l2, worst_slice))
        gates.append(Gate(component, "float16", "mil", None, 0.045, 50.0, HALF_SLICE_FLOOR))
        for units in COREML_UNITS:
            kind = f"coreml {units}"
            gates += [
                Gate(component, "float32", kind, 1e-3, 1e-2, provisional=True),
                Gate(component, "float16", kind, None, 0.1, 45.0, HALF_SLICE_FLOOR, True),
            ]
    return tuple(gates)


GATES = _table()


def find(component: str, precision: str, runtime: str) -> Gate:
    """The gate of a component; nothing passes without one.

    Raises:
        UsageError: the table has no such row.
    """
    for gate in GATES:
        if (gate.component, gate.precision, gate.runtime) == (component, precision, runtime):
            return gate
    raise UsageError(f"{component}: no gate for {precision} on {runtime}; it cannot be judged")


def apply(gate: Gate, metrics: Metrics) -> tuple[Row, ...]:
    """Every bound of the gate with what was measured; NaN never holds."""
    finite = metrics.finite_share
    rows = [Row("finite", finite, 1.0, finite >= 1.0)]
    if gate.relative_l2 is not None:
        value = metrics.relative_l2
        rows.append(Row("relative_l2", value, gate.relative_l2, value <= gate.relative_l2))
    if gate.psnr is not None:
        rows.append(Row("psnr", metrics.psnr, gate.psnr, metrics.psnr >= gate.psnr))
    worst = metrics.worst_slice
    rows.append(Row("worst_slice", worst, gate.worst_slice, worst <= gate.worst_slice))
    return tuple(rows)
