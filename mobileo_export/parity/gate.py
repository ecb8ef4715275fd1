"""What a gate is: bounds on a component's outputs, and how they are applied.

The table of them is ``gates``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mobileo_export.parity.metrics import SLICE_FLOOR

if TYPE_CHECKING:
    from mobileo_export.parity.metrics import Metrics

Precision = Literal[
    "float32", "float16", "w8", "small", "16-bit", "8-bit", "6-bit", "5-bit", "4-bit"
]
# What an artifact is held against: the checkpoint's values, or those that are left of them in the
# artifact's own form, made anew from the checkpoint.
Against = Literal["checkpoint", "stored weights"]
Values = Literal["any", "random", "trained"]


@dataclass(frozen=True)
class Gate:
    """The bounds for one component, computed in one precision by one kind of runtime.

    Attributes:
        component: a name of ``components.COMPONENTS``.
        precision: what the artifact computes in; against the checkpoint, of the language model
            and of packages that a plan compresses, the preset or the fewest bits of any matrix.
        runtime: ``mil``, ``mlx-dequantized``, ``mlx``, ``mlx float32``, ``onnxruntime``,
            ``emulated-half``, ``tensorrt``, or ``coreml`` with its compute units, such as
            ``coreml cpu_only``.
        relative_l2: largest allowed.
        worst_slice: largest allowed error of any token, channel or patch, of outputs that have
            such slices; None for logits, which have none.
        psnr: smallest allowed, in dB.
        slice_floor: see ``metrics.compare``.
        provisional: not measured yet; an estimate that a measurement has to replace.
        against: see :data:`Against`.
        output: the one it is for; None for all of the component.
        values: whether random or trained weights are meant.
        worst_token: largest allowed error of any token, where channels may differ more.
        worst_cosine: smallest allowed cosine of the worst slices.
        kl: largest allowed mean divergence of next-token distributions, in nats.
        top1: smallest allowed share of equal most probable tokens, ties counted.
        coarse: too wide to notice local damage: four bits. Exactness is another row's affair.
    """

    component: str
    precision: Precision
    runtime: str
    relative_l2: float | None
    worst_slice: float | None
    psnr: float | None = None
    slice_floor: float = SLICE_FLOOR
    provisional: bool = False
    against: Against = "checkpoint"
    output: str | None = None
    values: Values = "any"
    worst_token: float | None = None
    worst_cosine: float | None = None
    kl: float | None = None
    top1: float | None = None
    coarse: bool = False

    @property
    def bounds(self) -> str:
        """The bounds as text, such as ``L2 5e-06, slice 0.0001``."""
        named = (
            ("L2", self.relative_l2, ""),
            ("KL", self.kl, ""),
            ("top-1", self.top1, ""),
            ("", self.psnr, " dB"),
            ("cosine", self.worst_cosine, ""),
            ("token", self.worst_token, ""),
            ("slice", self.worst_slice, ""),
        )
        listed = [f"{n} {v:g}{u}".strip() for n, v, u in named if v is not None]
        return ", ".join(listed) + (" (provisional)" if self.provisional else "")

    @property
    def two_sided(self) -> bool:
        """Whether there are rows against the checkpoint and against what is stored."""
        plain = self.precision in ("float32", "float16") and self.against == "checkpoint"
        return self.component == "llm" or not plain


@dataclass(frozen=True)
class Row:
    """One bound, applied: ``metric`` is ``finite`` or a bound's name in :class:`Gate`."""

    metric: str
    value: float
    limit: float
    holds: bool


# Each bound in the order of a report, with the worst figure: what an output is given that it cannot
# be measured by. Where the worst is infinite a bound is the largest allowed, else the smallest.
_WORST = {
    "relative_l2": math.inf,
    "psnr": -math.inf,
    "kl": math.inf,
    "top1": 0.0,
    "worst_cosine": -math.inf,
    "worst_token": math.inf,
    "worst_slice": math.inf,
}


def apply(gate: Gate, metrics: Metrics) -> tuple[Row, ...]:
    """Every bound of the gate with what was measured; NaN never holds.

    An output without slices has no row of the worst one: a row that no damage can fail says
    nothing. Any other bound that such an output cannot be measured by does not hold.
    """
    rows = [Row("finite", metrics.finite_share, 1.0, metrics.finite_share >= 1.0)]
    for metric, worst in _WORST.items():
        limit, value = getattr(gate, metric), getattr(metrics, metric)
        if limit is None or (metric == "worst_slice" and value is None):
            continue
        value = worst if value is None else value
        holds = value <= limit if worst == math.inf else value >= limit
        rows.append(Row(metric, value, limit, holds))
    return tuple(rows)
