"""The language model's folder against its checkpoint: are the numbers exact, and what do they cost?

Three questions with a gate each. Does the runtime compute what the stored weights say? How far is
that from the checkpoint's own hidden states? And how far the conditioning that the picture is made
from, or, where weights are trained, what the model says?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlx.folder import MLXFolder, open_folder
from mobileo_export.errors import BundleError, MobileoError, UsageError
from mobileo_export.parity import gates
from mobileo_export.parity.cases import PROMPTS, Case
from mobileo_export.parity.judge import RanCase, input_controls, judge, run_case
from mobileo_export.parity.language_model import agreement, requantized
from mobileo_export.parity.references import random_or_trained
from mobileo_export.parity.results import CaseResult, ComponentResult, OutputResult
from mobileo_export.processes.beside import Here, at_once
from mobileo_export.progress import OnProgress, Progress
from mobileo_export.runtimes import registry, select

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlx.plan import MLXPlan
    from mobileo_export.parity.gates import Gate
    from mobileo_export.parity.references import ReferenceRun, References
    from mobileo_export.runtimes.base import Array, Session

WIDE = "mlx float32"  # MLX with float32 activations over the weights as they are stored
HIDDEN, LOGITS, CONDITIONING = gates.HIDDEN, gates.LOGITS, gates.CONDITIONING
# Judges what was made of a case, which is given by its number.
Judging = Callable[[int, "Mapping[str, Array]"], tuple[OutputResult, ...]]


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
        first = _result(exact, folder, proper, found, _judging(exact, truth, HIDDEN, LOGITS))
        problem = "; ".join(problems[:3]) or None
        results = [replace(first, controls=input_controls(exact, runs), problem=problem)]
        if single is not None:
            judging = _judging(single, truth, HIDDEN, LOGITS)
            results.append(_result(single, folder, proper, wide(), judging))
        said, drawn = original
        if values == "random":
            judging = _judging(said, [run.outputs for run in proper], HIDDEN)
        else:
            heads = agreement.heads(checkpoint, references.weights, opened)
            judging = _agreeing(said, proper, heads)
        results.append(_result(said, folder, proper, found, judging))
        made = {run.case.name: run.outputs for run in references.runs("mcp", PROMPTS)}
        judging = _judging(drawn, [made[run.case.name] for run in proper], CONDITIONING)
        try:
            conditioning = _drawn(found, references)
        except MobileoError as error:
            results.append(ComponentResult(drawn, folder.name, (), (), str(error)))
        else:
            results.append(_result(drawn, folder, proper, conditioning, judging))
        return tuple(results)

    return results


compare_language_model = at_once(begin_language_model)


def load(folder: Path, runtime: str) -> Session:
    """Load the folder on ``mlx``, ``mlx float32`` or ``mlx-dequantized``."""
    if runtime == WIDE:
        from mobileo_export.runtimes.mlx.runtime import MLXRuntime

        return MLXRuntime("float32").load(folder)
    return select.load_artifact(folder, runtime)


def _open(folder: Path) -> MLXFolder:
    opened = open_folder(folder)
    opened.check_values()
    return opened


def _run(folder: Path, runtime: str, cases: Sequence[Case], progress: OnProgress) -> list[RanCase]:
    progress(Progress("llm", runtime, 0, len(cases)))
    ran = []
    with closing(load(folder, runtime)) as session:
        for done, case in enumerate(cases, 1):
            ran.append(run_case(session, case))
            progress(Progress("llm", runtime, done, len(cases)))
    return ran


def _exact_outputs(
    opened: MLXFolder,
    planned: MLXPlan,
    references: References,
    runs: Sequence[ReferenceRun],
    progress: OnProgress,
) -> tuple[list[dict[str, Array]], list[str]]:
    """What torch makes of the weights that should be stored, and where stored ones are others."""
    checkpoint, label = references.checkpoint, "torch, stored weights"
    values = requantized.Requantized(checkpoint, planned, opened)
    progress(Progress("llm", label, 0, len(runs)))
    outputs = []
    with closing(requantized.session(values, references.weights)) as session:
        for done, run in enumerate(runs, 1):
            outputs.append(session.run(run.case.inputs))
            progress(Progress("llm", label, done, len(runs)))
    return outputs, [*requantized.config_problems(opened, checkpoint, planned), *values.problems]


def _result(
    gate: Gate,
    folder: Path,
    runs: Sequence[ReferenceRun],
    found: Sequence[RanCase],
    judging: Judging,
) -> ComponentResult:
    cases = []
    for place, (run, ran) in enumerate(zip(runs, found, strict=True)):
        outputs = judging(place, ran.outputs) if ran.problem is None else ()
        cases.append(CaseResult(run.case.name, outputs, run.seconds, ran.seconds, ran.problem))
    return ComponentResult(gate, folder.name, tuple(cases))


def _judging(gate: Gate, truth: Sequence[Mapping[str, Array]], *names: str) -> Judging:
    """By these outputs, each against that of ``truth``."""
    return lambda place, outputs: tuple(
        judge(gate, name, truth[place][name], outputs[name]) for name in names
    )


def _agreeing(gate: Gate, runs: Sequence[ReferenceRun], heads: agreement.Heads) -> Judging:
    """By the next-token scores of every position, with text that the model reads."""
    return lambda place, outputs: (
        agreement.judge(gate, runs[place].outputs[HIDDEN], outputs[HIDDEN], heads),
    )


def _drawn(found: Sequence[RanCase], references: References) -> list[RanCase]:
    """What the reference projector makes of the hidden states.

    Raises:
        MobileoError: the checkpoint does not hold it.
    """
    conditioning = []
    with closing(references.open("mcp")) as session:
        for ran in found:
            try:
                made = session.run({HIDDEN: ran.outputs[HIDDEN]}) if ran.problem is None else {}
                conditioning.append(replace(ran, outputs=made))
            except UsageError as error:  # not finite, or not a hidden state at all
                problem = f"as the projector's input: {error}"
                conditioning.append(RanCase({}, ran.seconds, problem))
    return conditioning
