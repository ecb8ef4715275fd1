"""Run an artifact and its reference side by side, and measure every value both compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity.explain.layouts import fit, relative_error
from mobileo_export.parity.explain.lockstep import Lockstep
from mobileo_export.parity.explain.results import WalkStep
from mobileo_export.progress import OnCount

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.cases import Case
    from mobileo_export.parity.stored_values.package_graph import PackageGraph
    from mobileo_export.runtimes.base import Array
    from mobileo_export.runtimes.mil import MilSession
    from mobileo_export.runtimes.torch_reference import TorchSession

# A step multiplies the error that reaches it less than this by rounding alone.
_ROUNDING_GROWTH = 10.0
_HALF_ULP = 2.0**-24
FLOAT32_ROUNDING, FLOAT16_ROUNDING = 1e-7, 5e-4


@dataclass(frozen=True)
class Walk:
    """What one case gave: steps in order, both sides' outputs, or why the artifact stopped."""

    steps: tuple[WalkStep, ...]
    reference: dict[str, Array]
    found: dict[str, Array]
    problem: str | None = None
    overflow: str | None = None  # the operation whose finite result half precision cannot hold


def walk(
    session: MilSession,
    reference: TorchSession,
    graph: PackageGraph,
    case: Case,
    on_step: OnCount,
    rounding: float = FLOAT32_ROUNDING,
) -> Walk:
    """Run ``case`` on both sides.

    Args:
        session: the loaded package.
        reference: the component's reference; its modules are hooked while this runs.
        graph: of the same package.
        case: inputs of the component.
        on_step: called with (operations done, operations in all).
        rounding: the error that the package's precision adds anywhere.
    """
    measure = _Measure(graph, on_step, rounding)
    wanted = [(t.module, t.call) for targets in graph.targets.values() for t in targets]
    with Lockstep(reference.module, wanted, lambda: reference.run(case.inputs)) as lockstep:
        measure.lockstep = lockstep
        found: dict[str, Array] = {}
        problem = None
        try:
            found = session.run(case.inputs, measure.on_op)
        except (UsageError, BundleError) as error:  # the inputs fit the component's signature
            problem = str(error)
        expected = lockstep.finish()
    overflow = session.overflow.op if session.overflow is not None else None
    return Walk(tuple(measure.steps), expected, found, problem, overflow)


class _Measure:
    """Compares values as the artifact makes them, and carries their errors along the graph."""

    def __init__(self, graph: PackageGraph, on_step: OnCount, rounding: float) -> None:
        self.lockstep: Lockstep[Any] | None = None
        self.steps: list[WalkStep] = []
        self._graph = graph
        self._errors: dict[str, float] = {}
        self._angles = {
            name for op in graph.ops if op.kind in {"sin", "cos"} for name in graph.operands(op)
        }
        self._peaks: dict[str, float] = {}
        self._on_step = on_step
        self._rounding = rounding
        self._done = 0

    def on_op(self, op: Op, outputs: Mapping[str, Array]) -> None:
        """Take the results of one operation."""
        self._done += 1
        self._on_step(self._done, len(self._graph.ops))
        operands = self._graph.operands(op)
        inherited = max((self._errors.get(name, 0.0) for name in operands), default=0.0)
        if op.kind in {"sin", "cos"}:  # of an angle, its rounding is the absolute one
            peak = max((self._peaks.get(name, 0.0) for name in operands), default=0.0)
            inherited = max(inherited, _HALF_ULP) * max(peak, 1.0)
        for name, values in outputs.items():
            if name in self._angles and values.size:
                self._peaks[name] = float(np.abs(values).max())
            error = self._compare(op, name, values, inherited)
            self._errors[name] = inherited if error is None else error

    def _compare(self, op: Op, name: str, values: Array, inherited: float) -> float | None:
        assert self.lockstep is not None
        step: WalkStep | None = None
        for target in self._graph.targets.get(name, ()):
            tensors = self.lockstep.output(target.module, target.call)
            if step is not None or values.dtype.kind != "f":
                continue
            for tensor in tensors:
                reference = tensor.detach().numpy()
                aligned = fit(values, reference) if reference.dtype.kind == "f" else None
                if aligned is None:
                    continue
                error = relative_error(aligned, reference)
                if step is None or error < step.error:
                    step = WalkStep(
                        target.module,
                        target.module_type,
                        op.name,
                        op.kind,
                        name,
                        error,
                        inherited,
                        self._rounding,
                    )
        if step is not None:
            self.steps.append(step)
            return step.error
        return None


def first_jump(steps: tuple[WalkStep, ...]) -> int | None:
    """Index of the first step that multiplies its error beyond rounding; None if none does.

    What counts as a jump is half way (in decades) from rounding to the largest jump, so that the
    wide swings behind a defect do not hide it, nor the narrow ones before it pass for it.

    """
    growths = [step.growth for step in steps]
    largest = max(growths, default=0.0)
    if largest < _ROUNDING_GROWTH:
        return None
    threshold = (_ROUNDING_GROWTH * largest) ** 0.5
    return next(index for index, growth in enumerate(growths) if growth >= min(threshold, largest))
