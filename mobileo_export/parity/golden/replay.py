"""Run every recorded call on a bundle's artifacts, and our own code on the calls between them.

Inputs come from the trace, never from the call before, so that a failure names the call at fault.
Needs no checkpoint, and torch only where a runtime does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.components import COMPONENTS, ComponentSpec
from mobileo_export.errors import BundleError, MobileoError, RuntimeUnavailableError
from mobileo_export.parity.compare import runtimes
from mobileo_export.parity.golden import bounds, index, parts
from mobileo_export.parity.golden.stages import STAGES, Replayer
from mobileo_export.parity.judge import judge
from mobileo_export.parity.results import CaseResult, Comparison, ComponentResult, as_json
from mobileo_export.pipelines.model import Model, open_model
from mobileo_export.progress import OnProgress, Progress, ignore
from mobileo_export.runtimes import registry, select
from mobileo_export.runtimes.base import LanguageModelSession

if TYPE_CHECKING:
    from mobileo_export.runtimes.base import Array, Session


@dataclass(frozen=True)
class Check:
    """A call or a small part that needs no weights; ``problem`` when it is not as recorded."""

    name: str
    problem: str | None = None


@dataclass(frozen=True)
class Replay:
    """What replaying found: components as a comparison has them, and everything between."""

    comparison: Comparison
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Every component and every check is within its gate."""
        return self.comparison.ok and all(check.problem is None for check in self.checks)

    def failures(self) -> list[str]:
        """One line a failed check: component or part, call, output and what is wrong."""
        lines = self.comparison.failures()
        return lines + [f"{c.name}: {c.problem}" for c in self.checks if c.problem is not None]

    def as_json(self) -> dict[str, Any]:
        """As plain data; the comparison as ``report.schema.json`` describes it."""
        failed = [{"name": c.name, "problem": c.problem} for c in self.checks if c.problem]
        return {
            "ok": self.ok,
            "checks": {"total": len(self.checks), "failed": failed},
            "comparison": as_json(self.comparison),
            "failures": self.failures(),
        }


@dataclass(frozen=True)
class _Call:
    """A recorded call with the run that it belongs to."""

    run: Mapping[str, Any]
    content: Mapping[str, Any]

    @property
    def stage(self) -> str:
        return str(self.content["stage"])

    @property
    def name(self) -> str:
        """Such as ``edit, step 2, unconditional``."""
        step, branch = self.content["step"], self.content["branch"]
        parts_ = [self.run["name"], None if step is None else f"step {step}", branch]
        return ", ".join(part for part in parts_ if part is not None)


def replay(
    bundle: Path,
    runtime: str = "auto",
    compute_units: str | None = None,
    components: Sequence[ComponentSpec] | None = None,
    progress: OnProgress = ignore,
) -> Replay:
    """Replay the golden trace of ``bundle``.

    Args:
        bundle: a sealed bundle; its files are taken to be as sealed.
        runtime: ``auto`` or one of ``runtimes.select.RUNTIMES``, for what it can execute.
        compute_units: of Core ML; None for those that the manifest names.
        components: which to run; None for all.
        progress: called as calls are done.

    Raises:
        BundleError: the bundle holds no trace, or its index cannot be trusted.
        UsageError: ``runtime`` executes none of the artifacts, or the units do not go with it.
        RuntimeUnavailableError: the runtime cannot execute an artifact on this machine.
    """
    from mobileo_export.bundle import manifest

    content = manifest.read(bundle)
    golden = index.open_golden(bundle, content)
    entries = content["components"]
    missing = [name for name in COMPONENTS if name not in entries]
    if missing:
        raise BundleError(f"{bundle}: has a golden trace but no {missing[0]}; export it again")
    kinds = runtimes(bundle, content, components, runtime, compute_units)
    calls = [_Call(run, call) for run in golden.index["runs"] for call in run["calls"]]
    with open_model(str(bundle), runtime) as model:
        checks = tuple(_checks(bundle, content, golden, model, calls))
    results = []
    for spec in COMPONENTS.values() if components is None else components:
        name = spec.name
        chosen = [call for call in calls if STAGES[call.stage].component == name]
        if chosen:
            artifact = entries[name]["artifacts"][0]
            results.append(
                _component(
                    bundle, spec, artifact, kinds[name], compute_units, golden, chosen, progress
                )
            )
    return Replay(
        Comparison(
            str(bundle),
            index.INDEX,
            content["source"]["weights"],
            ", ".join(dict.fromkeys(kinds.values())),
            tuple(results),
        ),
        checks,
    )


def _component(
    bundle: Path,
    spec: ComponentSpec,
    artifact: Mapping[str, Any],
    kind: str,
    compute_units: str | None,
    golden: index.Golden,
    calls: list[_Call],
    progress: OnProgress,
) -> ComponentResult:
    """Load the artifact once and run all its calls; what it cannot do is a finding."""
    executor = bounds.executor(kind)
    path = bundle / artifact["path"]
    units = compute_units or artifact["compute_units"]
    label = registry.label(kind, units)
    named = {
        output: bounds.as_gate(
            golden.index["gates"][used["gate"]],
            executor,
            spec.name,
            label,
            bounds.against(artifact),
        )
        for call in calls
        for output, used in call.content["outputs"].items()
    }
    gate = next(iter(named.values()))
    try:
        loaded = select.load_artifact(path, kind, units)
    except RuntimeUnavailableError:
        raise
    except MobileoError as error:
        return ComponentResult(gate, path.name, (), (), str(error))
    cases = []
    with closing(loaded):
        for done, call in enumerate(calls):
            progress(Progress(spec.name, "replaying", done, len(calls)))
            cases.append(_case(loaded, golden, call, named))
        progress(Progress(spec.name, "replaying", len(calls), len(calls)))
    return ComponentResult(gate, path.name, tuple(cases))


def _case(
    session: Session, golden: index.Golden, call: _Call, gates_: Mapping[str, Any]
) -> CaseResult:
    inputs = {name: golden.array(entry) for name, entry in call.content["inputs"].items()}
    started = time.perf_counter()
    try:
        found = _run(session, call, inputs)
    except (MobileoError, ValueError) as error:  # a call of the trace may not fit the artifact
        return CaseResult(call.name, (), 0.0, None, str(error))
    seconds = time.perf_counter() - started
    outputs = []
    for name, recorded in call.content["outputs"].items():
        if name not in found:
            problem = f"outputs are {', '.join(found)}, expected {name}"
            return CaseResult(call.name, (), 0.0, seconds, problem)
        entry = recorded["entry"]
        part = golden.sampled(entry, found[name])
        outputs.append(judge(gates_[name], name, golden.array(entry), part))
    return CaseResult(call.name, tuple(outputs), 0.0, seconds)


def _run(session: Session, call: _Call, inputs: dict[str, Array]) -> dict[str, Array]:
    if call.stage == "llm_step":
        assert isinstance(session, LanguageModelSession)
        token: Any = inputs["token_id"].reshape(-1)[0]
        return {"logits": session.step(int(token))}
    if call.stage == "llm" and call.run["sampling"] is not None:
        assert isinstance(session, LanguageModelSession)
        states, logits = session.prefill(inputs["input_ids"], inputs.get("image_features"))
        return {"stacked_hidden_states": states, "logits": logits}
    return session.run(inputs)


def _checks(
    bundle: Path,
    content: Mapping[str, Any],
    golden: index.Golden,
    model: Model,
    calls: list[_Call],
) -> Iterator[Check]:
    folder = bundle / content["components"]["llm"]["artifacts"][0]["path"]
    replayers: dict[str, Replayer] = {}
    for call in calls:
        if STAGES[call.stage].component is None:
            name = str(call.run["name"])
            replayer = replayers.setdefault(name, Replayer(model, call.run, folder))
            yield Check(f"{call.name}, {call.stage}", _problem(golden, call, replayer))
    for run in golden.index["runs"]:
        said = run["answer"]
        if said is not None:
            same = model.tokenizer.decode(said["token_ids"]) == said["text"]
            yield Check(f"{run['name']}, answer", None if same else "its text is another")
    for name, problem in parts.check(golden.index["parts"], model):
        yield Check(name, problem)


def _problem(golden: index.Golden, call: _Call, replayer: Replayer) -> str | None:
    inputs = {name: golden.array(entry) for name, entry in call.content["inputs"].items()}
    try:
        found = replayer(call.stage, inputs, call.content["values"])
        return _differing(golden, call, found)
    except (MobileoError, ValueError, TypeError, IndexError) as error:  # of recorded values
        return str(error)


def _differing(golden: index.Golden, call: _Call, found: Mapping[str, Any]) -> str | None:
    for name, recorded in call.content["outputs"].items():
        entry = recorded["entry"]
        gate = golden.index["gates"][recorded["gate"]]
        part = golden.sampled(entry, found[name])
        problem = bounds.problem(gate, "host", golden.array(entry), part)
        if problem:
            return f"{name}: {problem}"
    return None
