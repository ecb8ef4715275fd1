"""What an explanation holds, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# What a diagnosis can say; docs/explain.md has a row for each.
Kind = Literal[
    "blocks permuted", "another tensor", "transposed", "zeroed", "bias dropped", "bit flipped",
    "scaled", "rounded to float16", "rounded to bfloat16", "not finite", "stale statistics",
    "other values", "requantized", "compressed otherwise",
    "epsilon", "gelu approximation", "other resampling", "other activation", "other geometry",
    "float16 overflow", "input ignored", "other result", "cannot run", "wrong shape",
    "unexplained",
]  # fmt: skip


@dataclass(frozen=True)
class WalkStep:
    """One value that both sides compute, in the order of the artifact.

    Attributes:
        module: dotted path of the torch module whose output it is ("" for the reference).
        module_type: its class.
        op: name of the operation that makes it; of an MLX folder the module's path there.
        kind: type of that operation.
        value: name of the value in the graph.
        error: ‖found − reference‖ / ‖reference‖ in float64; infinite with NaN or infinity.
        inherited: the largest error among the values it is computed from.
        rounding: the error that the artifact's precision adds anywhere.
    """

    module: str
    module_type: str
    op: str
    kind: str
    value: str
    error: float
    inherited: float
    rounding: float = 1e-7

    @property
    def growth(self) -> float:
        """By how much this step multiplies the error that reaches it, which is never none."""
        return min(self.error, 1e3) / max(min(self.inherited, 1e3), self.rounding)


@dataclass(frozen=True)
class Culprit:
    """The culprit in both graphs; ``tensors`` are checkpoint names, ``blob`` the constant's."""

    module: str
    module_type: str
    tensors: tuple[str, ...]
    op: str
    kind: str
    value: str
    blob: str | None = None


@dataclass(frozen=True)
class Deviation:
    """How a stored tensor, a setting or a result differs from what it should be."""

    kind: Kind
    detail: str


@dataclass(frozen=True)
class LikelyCause:
    """The likely cause and where it lies."""

    difference: Deviation
    place: Culprit


@dataclass(frozen=True)
class Divergence:
    """Why an artifact diverges: what is seen, where, the likely cause and what to do."""

    kind: Kind
    symptom: str
    place: Culprit
    cause: str
    fix: str


@dataclass(frozen=True)
class CaseCheck:
    """One case that was run: whether every output lay within its gate, and the worst figure."""

    case: str
    ok: bool
    summary: str


@dataclass(frozen=True)
class Explanation:
    """The answer for one component. ``steps`` are those of the last case run."""

    bundle: str
    checkpoint: str
    component: str
    artifact: str
    cases: tuple[CaseCheck, ...]
    steps: tuple[WalkStep, ...]
    culprit: int | None
    finding: Divergence | None
    unsealed: tuple[str, ...] = ()  # files of the artifact that changed after sealing
    notes: tuple[str, ...] = ()  # what differs though every case lies within its gate

    @property
    def ok(self) -> bool:
        """Every case lies within its gate."""
        return self.finding is None

    @property
    def largest_growth(self) -> int | None:
        """Index of the step that multiplies the error most."""
        if not self.steps:
            return None
        return max(range(len(self.steps)), key=lambda index: self.steps[index].growth)
