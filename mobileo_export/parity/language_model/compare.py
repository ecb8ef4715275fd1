"""The language model's folder against its checkpoint: are the numbers exact, and what do they cost?

Three questions with a gate each. Does the runtime compute what the stored weights say? How far is
that from the checkpoint's own hidden states? And how far the conditioning that the picture is made
from, or, where weights are trained, what the model says?
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import BundleError, MobileoError, UsageError
from mobileo_export.parity import gates
from mobileo_export.parity.cases import PROMPTS, Case
from mobileo_export.parity.judge import input_controls, judge
from mobileo_export.parity.language_model import agreement, requantized
from mobileo_export.parity.references import random_or_trained
from mobileo_export.parity.results import CaseResult, ComponentResult, OutputResult
from mobileo_export.processes.beside import Here, at_once
from mobileo_export.progress import OnProgress, Progress
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from mobileo_export.parity.gates import Gate
    from mobileo_export.parity.references import ReferenceRun, References
    from mobileo_export.runtimes.base import Array, Session

WIDE = "mlx float32"  # MLX with float32 activations over the weights as they are stored
HIDDEN, LOGITS, CONDITIONING = gates.HIDDEN, gates.LOGITS, gates.CONDITIONING


@dataclass(frozen=True)
class Ran:
    """What a runtime made of one case; ``outputs`` None with a ``problem``."""

    outputs: dict[str, Array] | None
    seconds: float | None = None
    problem: str | None = None


def begin_language_model(
    folder: Path,
    artifact: Mapping[str, Any],
    references: References,
    runtime: str,
    progress: OnProgress = lambda event: None,
    calls: Here | None = None,
) -> Callable[[], tuple[ComponentResult, ...]]:
    """Run every case on the folder; what is returned judges it by each gate.

    Args:
        folder: ``llm`` of a bundle.
        artifact: its entry in the manifest.
        references: of the checkpoint that the bundle was made from.
        runtime: ``mlx`` or ``mlx-dequantized``. With ``mlx`` a tiny model is also run in float32,
            where MLX has to agree to the rounding of single operations.
        progress: called as cases are done.
        calls: where the folder runs; None for at once, in this process.

    Raises:
        UsageError: the table has no gate for such a folder.
        RuntimeUnavailableError: the runtime does not run on this machine.
    """
    calls = calls or Here(progress)
    checkpoint = references.checkpoint
    planned = requantized.announced(checkpoint, artifact)
    values = random_or_trained(checkpoint)
    precision = requantized.precision(planned)
    exact = gates.find(
        "llm",
        registry.ENTRIES[runtime].computes or artifact["compute_precision"],
        runtime,
        "stored weights",
    )
    judged = HIDDEN if values == "random" else LOGITS
    original = [
        gates.find("llm", precision, runtime, output=output, values=values)
        for output in (judged, CONDITIONING)
    ]
    cases = [case for case in references.cases("llm") if case.changes is None]
    try:
        opened = _open(folder)
    except BundleError as error:
        problems = tuple(
            ComponentResult(gate, folder.name, (), (), str(error)) for gate in (exact, *original)
        )
        return lambda: problems
    found_ = calls.begin(_run, folder, runtime, cases)
    single = None
    if runtime == "mlx" and planned.parameters <= registry.TINY_PARAMETERS:
        single = gates.find("llm", "float32", WIDE, "stored weights")
        wide = calls.begin(_run, folder, single.runtime, cases)
    runs = references.runs("llm")
    proper = [run for run in runs if run.case.changes is None]

    def results() -> tuple[ComponentResult, ...]:
        truth, problems = _exact_outputs(opened, planned, references, proper, progress)
        found = found_()
        results = [_result(exact, folder, proper, found, truth, "; ".join(problems[:3]) or None)]
        results[0] = replace(results[0], controls=input_controls(exact, runs))
        if single is not None:
            results.append(_result(single, folder, proper, wide(), truth))
        plain = [run.outputs for run in proper]
        if values == "random":
            results.append(_result(original[0], folder, proper, found, plain, outputs=(HIDDEN,)))
        else:
            heads = agreement.heads(checkpoint, references.weights, opened)
            results.append(_said(original[0], folder, proper, found, heads))
        results.append(_drawn(original[1], folder, proper, found, references))
        return tuple(results)

    return results


compare_language_model = at_once(begin_language_model)


def load(folder: Path, runtime: str) -> Session:
    """Load the folder on ``mlx``, ``mlx float32`` or ``mlx-dequantized``."""
    if runtime == "mlx-dequantized":
        from mobileo_export.runtimes.mlx.dequantized import MLXDequantizedRuntime

        return MLXDequantizedRuntime().load(folder)
    from mobileo_export.runtimes.mlx.runtime import MLXRuntime

    return MLXRuntime("float32" if runtime == WIDE else "stored").load(folder)


def _open(folder: Path) -> Any:
    from mobileo_export.artifacts.mlx.folder import open_folder

    opened = open_folder(folder)
    opened.check_values()
    return opened


def _run(folder: Path, runtime: str, cases: Sequence[Case], progress: OnProgress) -> list[Ran]:
    progress(Progress("llm", runtime, 0, len(cases)))
    session = load(folder, runtime)
    results = []
    try:
        for done, case in enumerate(cases, 1):
            started = time.perf_counter()
            try:
                outputs = session.run(case.inputs)
                results.append(Ran(outputs, time.perf_counter() - started))
            except (UsageError, BundleError) as error:  # the inputs fit the signature
                results.append(Ran(None, problem=str(error)))
            progress(Progress("llm", runtime, done, len(cases)))
    finally:
        session.close()
    return results


def _exact_outputs(
    opened: Any,
    planned: Any,
    references: References,
    runs: Sequence[ReferenceRun],
    progress: OnProgress,
) -> tuple[list[dict[str, Array]], list[str]]:
    """What torch makes of the weights that should be stored, and where stored ones are others."""
    checkpoint, label = references.checkpoint, "torch, stored weights"
    values = requantized.Requantized(checkpoint, planned, opened)
    progress(Progress("llm", label, 0, len(runs)))
    session = requantized.session(values, references.weights)
    try:
        outputs = []
        for done, run in enumerate(runs, 1):
            outputs.append(session.run(run.case.inputs))
            progress(Progress("llm", label, done, len(runs)))
    finally:
        session.close()
    return outputs, [
        *requantized.config_problems(opened, checkpoint, planned),
        *values.problems,
    ]


def _result(
    gate: Gate,
    folder: Path,
    runs: Sequence[ReferenceRun],
    found: Sequence[Ran],
    truth: Sequence[Mapping[str, Array]],
    problem: str | None = None,
    outputs: tuple[str, ...] = (HIDDEN, LOGITS),
) -> ComponentResult:
    cases = []
    for run, ran, expected in zip(runs, found, truth, strict=True):
        values = ran.outputs
        judged = (
            ()
            if values is None
            else tuple(judge(gate, name, expected[name], values[name]) for name in outputs)
        )
        cases.append(CaseResult(run.case.name, judged, run.seconds, ran.seconds, ran.problem))
    return ComponentResult(gate, folder.name, tuple(cases), (), problem)


def _said(
    gate: Gate,
    folder: Path,
    runs: Sequence[ReferenceRun],
    found: Sequence[Ran],
    heads: agreement.Heads,
) -> ComponentResult:
    """The next-token scores of every position, with text that the model reads."""
    cases = []
    for run, ran in zip(runs, found, strict=True):
        outputs: tuple[OutputResult, ...] = ()
        if ran.outputs is not None:
            outputs = (agreement.judge(gate, run.outputs[HIDDEN], ran.outputs[HIDDEN], heads),)
        cases.append(CaseResult(run.case.name, outputs, run.seconds, ran.seconds, ran.problem))
    return ComponentResult(gate, folder.name, tuple(cases))


def _drawn(
    gate: Gate,
    folder: Path,
    runs: Sequence[ReferenceRun],
    found: Sequence[Ran],
    references: References,
) -> ComponentResult:
    """The reference projector on both sides' hidden states."""
    truth = {run.case.name: run.outputs for run in references.runs("mcp", PROMPTS)}
    try:
        session = references.open("mcp")
    except MobileoError as error:
        return ComponentResult(gate, folder.name, (), (), str(error))
    conditioning: list[Ran] = []
    try:
        for ran in found:
            if ran.outputs is None:
                conditioning.append(ran)
                continue
            try:
                made = session.run({HIDDEN: ran.outputs[HIDDEN]})
            except UsageError as error:  # not finite, or not a hidden state at all
                conditioning.append(Ran(None, ran.seconds, f"as the projector's input: {error}"))
            else:
                conditioning.append(replace(ran, outputs=made))
    finally:
        session.close()
    expected = [truth[run.case.name] for run in runs]
    return _result(gate, folder, runs, conditioning, expected, outputs=(CONDITIONING,))
