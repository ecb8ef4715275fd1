"""From the module whose error jumps to the operation: compare inside it with torch's own results.

Both sides run once more. The artifact's values between the last good ones and the bad one are kept,
and every tensor that the torch modules concerned compute; each value is looked for among those.
The culprit is the first operation of which no result is found, though all its operands are.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity.explain.layouts import fit, relative_error

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.cases import Case
    from mobileo_export.parity.explain.results import WalkStep
    from mobileo_export.parity.stored_values.package_graph import PackageGraph
    from mobileo_export.runtimes.base import Array
    from mobileo_export.runtimes.mil import MilSession
    from mobileo_export.runtimes.torch_reference import TorchSession


@dataclass(frozen=True)
class Narrowed:
    """The operation to blame.

    Attributes:
        op: it.
        segment: the operations between the last good values and the module's output.
        found: what it computes.
        expected: what torch computes in its place, in the layout of ``found``; None if unclear.
        values: every value of the segment, by name.
    """

    op: Op
    segment: tuple[Op, ...]
    found: Array | None
    expected: Array | None
    values: dict[str, Array]


def narrow(
    session: MilSession,
    reference: TorchSession,
    graph: PackageGraph,
    case: Case,
    step: WalkStep,
    good: set[str],
) -> Narrowed:
    """Find the operation behind ``step``, given the values that are known to be good."""
    segment = graph.segment(step.value, good)
    modules = {graph.origin(op).module for op in segment} | {step.module}
    kept = _artifact_values(session, case, {o.name for op in segment for o in op.outputs})
    computed = _reference_values(reference, case, modules)
    # Of an angle the step expects more rounding than there is before it.
    angle = any(op.kind in {"sin", "cos"} for op in segment)
    tolerance = max(30 * step.rounding, 0.0 if angle else 10 * step.inherited)
    tolerance = min(tolerance, max(0.3 * step.error, step.rounding))
    matched: dict[str, int] = {}
    for name, found in kept.items():
        errors = [_error(found, values) for values in computed]
        if errors and min(errors) <= tolerance:
            matched[name] = int(np.argmin(errors))
    op = _first_unmatched(graph, segment, step.value, matched.keys())
    value = kept.get(op.outputs[0].name)
    expected = None
    if value is not None:
        claimed = set(matched.values())
        free = [v for i, v in enumerate(computed) if i not in claimed and v.size == value.size]
        if free:
            nearest = min(free, key=lambda other: _error(value, other))
            expected = fit(nearest, value)
    return Narrowed(op, tuple(segment), value, expected, kept)


def _first_unmatched(graph: PackageGraph, segment: list[Op], value: str, matched: Any) -> Op:
    """The earliest of the operations that lead to ``value`` by unmatched results only."""
    inside = {out.name for op in segment for out in op.outputs}
    bad, stack = set(), [value]
    while stack:
        name = stack.pop()
        if name in bad:
            continue
        bad.add(name)
        operands = graph.operands(graph.producer[name])
        stack += [o for o in operands if o in inside and o not in matched]
    for op in segment:
        makes = [out.name for out in op.outputs if out.name in bad]
        if makes and not any(operand in bad for operand in graph.operands(op)):
            return op
    return graph.producer[value]


def _error(found: Array, reference: Array) -> float:
    aligned = fit(found, reference)
    return relative_error(aligned, reference) if aligned is not None else float("inf")


def _artifact_values(session: MilSession, case: Case, names: set[str]) -> dict[str, Array]:
    kept: dict[str, Array] = {}

    def on_op(op: Op, outputs: Mapping[str, Array]) -> None:
        for name, values in outputs.items():
            if name in names and values.dtype.kind == "f":
                kept[name] = values.copy()

    with suppress(UsageError, BundleError):  # the values until there are what is asked for
        session.run(case.inputs, on_op)
    return kept


def _reference_values(reference: TorchSession, case: Case, modules: set[str]) -> list[Array]:
    """Floating results of torch operations that run in one of ``modules`` itself."""
    from torch.utils._python_dispatch import TorchDispatchMode

    from mobileo_export.parity.explain.lockstep import tensors_of

    calls: list[str] = []
    found: list[Any] = []

    class OperationRecorder(TorchDispatchMode):
        """Sees every operation that reaches torch's kernels."""

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            if calls and calls[-1] in modules:
                found.extend(t.clone() for t in tensors_of(result) if t.is_floating_point())
            return result

    def enter(path: str) -> Any:
        return lambda module, inputs: calls.append(path)

    def leave(module: Any, inputs: Any, output: Any) -> None:
        calls.pop()

    with ExitStack() as hooks, OperationRecorder():  # type: ignore[no-untyped-call]
        for path, module in reference.module.named_modules():
            hooks.enter_context(module.register_forward_pre_hook(enter(path)))
            hooks.enter_context(module.register_forward_hook(leave))
        reference.run(case.inputs)
    return [tensor.numpy() for tensor in found]
