"""Judge one output by a gate, and see whether the gate would have noticed damage."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mobileo_export.components import LAYOUTS
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity import damage, gates, metrics
from mobileo_export.parity.profile import profiles
from mobileo_export.parity.results import (
    CaseResult,
    ComponentResult,
    Control,
    OutputResult,
    StoredValues,
)
from mobileo_export.progress import OnCount, OnProgress, Progress

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.parity.cases import Case
    from mobileo_export.parity.references import ReferenceRun
    from mobileo_export.runtimes.base import Array, Session


@dataclass(frozen=True)
class RanCase:
    """What an artifact made of one case; no outputs where there is a problem."""

    outputs: dict[str, Array]
    seconds: float | None
    problem: str | None = None


def run_case(session: Session, case: Case) -> RanCase:
    """Let an artifact do what the reference did."""
    started = time.perf_counter()
    try:
        found = session.run(case.inputs)
    except (UsageError, BundleError) as error:  # the inputs fit the component's signature
        return RanCase({}, None, str(error))
    return RanCase(found, time.perf_counter() - started)


def run_cases(
    path: Path,
    judged_by: Sequence[tuple[gates.Gate, Sequence[ReferenceRun]]],
    opened: Callable[[], Session],
    progress: OnProgress,
) -> tuple[ComponentResult, ...]:
    """Load the artifact once, run every case; what it cannot do is a finding, not a failure.

    Every gate comes with runs of the same cases, and gives a result; that inputs matter is asked of
    the first.
    """
    first, runs = judged_by[0]
    controls = [input_controls(first, runs), *[()] * (len(judged_by) - 1)]
    proper = [place for place, run in enumerate(runs) if run.case.changes is None]
    cases: list[list[CaseResult]] = [[] for _ in judged_by]
    progress(Progress(first.component, first.runtime, 0, len(proper)))
    problem = None
    try:
        with closing(opened()) as session:
            for done, place in enumerate(proper, 1):
                found = run_case(session, runs[place].case)
                for (gate, truth), judged in zip(judged_by, cases, strict=True):
                    judged.append(judge_case(gate, truth[place], found))
                progress(Progress(first.component, first.runtime, done, len(proper)))
    except BundleError as error:  # of what is run each case says so itself
        problem = str(error)
    return tuple(
        ComponentResult(gate, path.name, tuple(judged), noticed, problem)
        for (gate, _), judged, noticed in zip(judged_by, cases, controls, strict=True)
    )


def with_stored(
    result: ComponentResult, check: Callable[[OnCount], StoredValues], progress: OnProgress
) -> ComponentResult:
    """The result with what the artifact stores compared as well."""
    component = result.gate.component

    def told(done: int, total: int) -> None:
        progress(Progress(component, "stored values", done, total))

    try:
        values = check(told)
    except BundleError as error:
        return replace(result, problem=str(error))
    return replace(result, problem=values.problem, stored=values)


def judge_case(gate: gates.Gate, run: ReferenceRun, found: RanCase) -> CaseResult:
    """Every output of a case by one gate."""
    problem, outputs = found.problem, found.outputs
    if problem is None and outputs.keys() != run.outputs.keys():
        problem = f"outputs are {', '.join(outputs)}, expected {', '.join(run.outputs)}"
    judged = tuple(
        judge(gate, name, run.outputs[name], values)
        for name, values in outputs.items()
        if problem is None
    )
    return CaseResult(run.case.name, judged, run.seconds, found.seconds, problem)


def input_controls(gate: gates.Gate, runs: Sequence[ReferenceRun]) -> tuple[Control, ...]:
    """Would an artifact be noticed that ignores an input, or takes another for it?"""
    by_name = {run.case.name: run for run in runs}
    controls = []
    for run in runs:
        if run.case.changes is not None:
            base, name = run.case.changes
            noticed = any(
                not _holds(gate, output, by_name[base].outputs[output], values)
                for output, values in run.outputs.items()
            )
            controls.append(Control(f"that {name} is another", noticed))
    return tuple(controls)


def judge(gate: gates.Gate, name: str, reference: Array, found: Array) -> OutputResult:
    """Measure an output, apply the gate, and prove that the gate would have noticed damage."""
    problem = metrics.unlike(reference, found)
    if problem is not None:
        return OutputResult(name, problem=problem)
    layout = LAYOUTS[name]
    truth = metrics.Truth(reference, layout, gate.slice_floor)
    measured = truth.compare(found)
    controls = []
    if measured.finite_share == 1:
        for damaged in damage.damages(found, layout):
            if gate.coarse and damaged.kind not in damage.GLOBAL:
                continue
            noticed = not _within(gate, truth.compare(damaged.values))
            controls.append(Control(damaged.kind, noticed))
    return OutputResult(
        name,
        measured,
        gates.apply(gate, measured),
        tuple(controls),
        profiles=profiles(reference, found, layout, gate.slice_floor),
    )


def _holds(gate: gates.Gate, name: str, reference: Array, found: Array) -> bool:
    return _within(gate, metrics.compare(reference, found, LAYOUTS[name], gate.slice_floor))


def _within(gate: gates.Gate, measured: metrics.Metrics) -> bool:
    return all(row.holds for row in gates.apply(gate, measured))
