"""What ``verify --replay`` found, in the form of the Swift package's self-test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__
from mobileo_export.bench import machine
from mobileo_export.bench.measurement import identification
from mobileo_export.bench.results import SELF_TEST, SELF_TEST_VERSION
from mobileo_export.bundle import manifest
from mobileo_export.json_file import json_ready
from mobileo_export.parity.golden import bounds, index
from mobileo_export.parity.golden.stages import STAGES
from mobileo_export.parity.results import case_failures
from mobileo_export.processes.host import Host

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.parity.golden.replay import Replay
    from mobileo_export.parity.results import CaseResult, ComponentResult, OutputResult

Document = dict[str, Any]


def document(bundle: Path, replayed: Replay, host: Host | None = None) -> Document:
    """The document of ``selftest.schema.json``.

    Args:
        bundle: what was replayed.
        replayed: what was found.
        host: the machine to describe.
    """
    content = manifest.read(bundle)
    runs = index.open_golden(bundle, content).index["runs"]
    calls = [(run, call) for run in runs for call in run["calls"]]
    components, divergences = [], []
    for result in replayed.comparison.components:
        name = result.gate.component
        own = [
            (place, _place(run, call))
            for place, (run, call) in enumerate(calls)
            if STAGES[call["stage"]].component == name
        ]
        components.append(_component(result, [place for _, place in own]))
        for (number, place), case in zip(own, result.cases, strict=False):
            said = next(case_failures(name, case), None)
            if said:
                divergences.append((number, {"component": name, **place, "failure": said}))
    failed = [{"name": c.name, "problem": c.problem} for c in replayed.checks if c.problem]
    found: Document = {
        "format": SELF_TEST,
        "format_version": SELF_TEST_VERSION,
        "program": {"name": "mobileo-export", "version": __version__},
        "bundle": identification(bundle, content),
        "machine": machine.identity(host or Host()),
        "passed": replayed.ok,
        "first_divergence": min(divergences, key=lambda item: item[0])[1] if divergences else None,
        "components": components,
        "checks": {"total": len(replayed.checks), "failed": failed},
        "failures": replayed.failures(),
    }
    plain: Document = json_ready(found)
    return plain


def _place(run: Mapping[str, Any], call: Mapping[str, Any]) -> Document:
    place = {key: call[key] for key in ("stage", "step", "branch")}
    return {"run": run["name"], **place}


def _component(result: ComponentResult, places: list[Document]) -> Document:
    rows: list[Document] = []
    problems = [_problem(None, None, result.problem)] if result.problem else []
    for case, place in zip(result.cases, places, strict=False):
        if case.problem:
            problems.append(_problem(case, place, case.problem))
        for output in case.outputs:
            rows += [{**place, **row} for row in _rows(output)]
            said = [output.problem] if output.problem else []
            said += [
                f"the gate would not notice {control.damage}"
                for control in output.controls
                if not control.noticed
            ]
            problems += [{**_problem(case, place, line), "output": output.name} for line in said]
    seconds = [case.artifact_seconds for case in result.cases]
    runtime = result.gate.runtime
    return {
        "name": result.gate.component,
        "runtime": runtime,
        "gates": bounds.executor(runtime.partition(" ")[0]),
        "provisional": result.gate.provisional,
        "passed": result.ok,
        "calls": len(result.cases),
        "load_seconds": None,
        "first_call_seconds": seconds[0] if seconds else None,
        "footprint": None,
        "most_footprint": None,
        "rows": rows,
        "problems": problems,
    }


def _rows(output: OutputResult) -> Iterator[Document]:
    worst = output.metrics.worst if output.metrics else ()
    for row in output.rows:
        yield {
            "output": output.name,
            "metric": row.metric,
            "value": row.value,
            "bound": row.limit,
            "passed": row.holds,
            "worst_slice": str(worst[0]) if worst else None,
        }


def _problem(case: CaseResult | None, place: Document | None, said: str) -> Document:
    stage = place["stage"] if place else None
    return {"call": case.name if case else None, "stage": stage, "output": None, "problem": said}
