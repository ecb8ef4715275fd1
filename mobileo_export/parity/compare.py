"""Compare a bundle's artifacts with the checkpoint's references: plain results, nothing printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.components import COMPONENTS, ComponentSpec
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity import damage, gates, metrics
from mobileo_export.parity.references import ReferenceRun, References
from mobileo_export.parity.results import (
    CaseResult,
    Comparison,
    ComponentResult,
    Control,
    OutputResult,
    Skip,
)
from mobileo_export.workers import Progress

if TYPE_CHECKING:
    from mobileo_export.checkpoint import Checkpoint, Weights
    from mobileo_export.runtimes.base import Array, Session

OnProgress = Callable[[Progress], None]
# What the axes of each output mean.
LAYOUTS: dict[str, metrics.Layout] = {
    "image_features": "sequence",
    "conditioning": "sequence",
    "velocity": "image",
    "image": "image",
    "stacked_hidden_states": "sequence",
    "logits": "logits",
}


def compare_bundle(
    bundle: Path,
    checkpoint: Checkpoint,
    components: Sequence[ComponentSpec] | None = None,
    runtime: str = "auto",
    compute_units: str | None = None,
    progress: OnProgress = lambda event: None,
    references: References | None = None,
) -> Comparison:
    """Run every case of every chosen component on both sides and judge it.

    Args:
        bundle: a sealed bundle; its files are taken to be as sealed.
        checkpoint: what it was made from.
        components: which to compare; None for all that the bundle holds.
        runtime: ``auto``, ``mil`` or ``coreml``.
        compute_units: of Core ML; None for those that the manifest names.
        progress: called as cases are done.
        references: of this checkpoint, kept from comparing another bundle with it.

    Raises:
        BundleError: the bundle lacks a chosen component or was made from other weights.
        CheckpointError: the checkpoint cannot be read, or lacks a component.
        UsageError: the runtime and the options do not go together.
        RuntimeUnavailableError: the runtime cannot execute an artifact on this machine.
    """
    from mobileo_export.bundle import manifest

    content = manifest.read(bundle)
    chosen = _chosen(bundle, content, components)
    kind = resolve_runtime(runtime, compute_units)
    weights = check_weights(content, checkpoint)
    for spec in chosen:
        progress(Progress(spec.name, "same weights?", 0, 1))
        check_origin(bundle, content, checkpoint, spec)
    references = references or References(
        checkpoint, weights, lambda name, done, all_: progress(Progress(name, "torch", done, all_))
    )
    results = [
        compare_component(bundle, content, spec, references, kind, compute_units, progress)
        for spec in chosen
    ]
    return Comparison(
        str(bundle),
        str(checkpoint.path),
        weights,
        kind,
        tuple(result for result in results if isinstance(result, ComponentResult)),
        tuple(result for result in results if isinstance(result, Skip)),
    )


def compare_component(
    bundle: Path,
    content: dict[str, Any],
    spec: ComponentSpec,
    references: References,
    kind: str,
    compute_units: str | None = None,
    progress: OnProgress = lambda event: None,
) -> ComponentResult | Skip:
    """One component of :func:`compare_bundle`.

    Args:
        bundle: where it lies.
        content: the bundle's manifest.
        spec: a component that the manifest lists.
        references: of the checkpoint that :func:`check_origin` has found to be the right one.
        kind: ``mil`` or ``coreml``.
        compute_units: of Core ML; None for those that the manifest names.
        progress: called as cases are done.
    """
    artifact = content["components"][spec.name]["artifacts"][0]
    if spec.kind != "mlpackage":
        return Skip(spec.name, f"no runtime here executes an {spec.kind} artifact")
    units = compute_units or artifact["compute_units"]
    label = kind if kind == "mil" else f"{kind} {units}"
    gate = gates.find(spec.name, artifact["compute_precision"], label)
    runs = references.runs(spec.name)
    path = bundle / artifact["path"]
    return _run(path, gate, runs, lambda: open_artifact(path, kind, units), progress)


def resolve_runtime(runtime: str, compute_units: str | None = None) -> str:
    """``mil`` or ``coreml``: what ``runtime`` means on this machine.

    Raises:
        UsageError: compute units are given for the evaluator.
    """
    kind = runtime if runtime != "auto" else "coreml" if sys.platform == "darwin" else "mil"
    if compute_units is not None and kind != "coreml":
        raise UsageError(f"--compute-units {compute_units}: goes with --runtime coreml only")
    return kind


def open_artifact(path: Path, kind: str, compute_units: str) -> Session:
    """Load a package on the evaluator or on Core ML."""
    if kind == "coreml":
        from mobileo_export.runtimes.coreml import CoreMLRuntime

        return CoreMLRuntime(compute_units).load(path)
    from mobileo_export.runtimes.mil import MilRuntime

    return MilRuntime().load(path)


def check_weights(content: dict[str, Any], checkpoint: Checkpoint) -> Weights:
    """Which of the checkpoint's weights the bundle was made from.

    Raises:
        UsageError: the checkpoint does not hold them.
    """
    weights: Weights = content["source"]["weights"]
    checkpoint.require_weights(weights)
    return weights


def check_origin(
    bundle: Path, content: dict[str, Any], checkpoint: Checkpoint, spec: ComponentSpec
) -> None:
    """Refuse to compare a component with weights that it was not made from.

    Raises:
        BundleError: names the component, and the weights that would fit if there are any.
    """
    spec.check(checkpoint)
    names = spec.tensors(checkpoint.model)
    wanted = content["components"][spec.name]["tensors_sha256"]
    weights: Weights = content["source"]["weights"]
    if checkpoint.digest(names, weights) != wanted:
        raise BundleError(
            f"{bundle}: its {spec.name} was made from other weights than the {weights} ones of "
            f"{checkpoint.path}; name the checkpoint it was made from, or export again"
        )


def _chosen(
    bundle: Path, content: dict[str, Any], components: Sequence[ComponentSpec] | None
) -> list[ComponentSpec]:
    held = content["components"]
    if components is None:
        return [spec for name, spec in COMPONENTS.items() if name in held]
    for spec in components:
        if spec.name not in held:
            raise BundleError(f"{bundle}: has no {spec.name}; export it again without --only")
    return list(components)


def _run(
    path: Path,
    gate: gates.Gate,
    runs: Sequence[ReferenceRun],
    load: Callable[[], Session],
    progress: OnProgress,
) -> ComponentResult:
    """Load the artifact once, run every case; what it cannot do is a finding, not a failure."""
    proper = [run for run in runs if run.case.changes is None]
    controls = _input_controls(gate, runs)
    cases: list[CaseResult] = []
    progress(Progress(gate.component, gate.runtime, 0, len(proper)))
    try:
        session = load()
    except BundleError as error:
        return ComponentResult(gate, path.name, (), controls, str(error))
    try:
        for done, run in enumerate(proper, 1):
            cases.append(_case(session, gate, run))
            progress(Progress(gate.component, gate.runtime, done, len(proper)))
    finally:
        session.close()
    return ComponentResult(gate, path.name, tuple(cases), controls)


def _input_controls(gate: gates.Gate, runs: Sequence[ReferenceRun]) -> tuple[Control, ...]:
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


def _case(session: Session, gate: gates.Gate, run: ReferenceRun) -> CaseResult:
    started = time.perf_counter()
    try:
        found = session.run(run.case.inputs)
    except (UsageError, BundleError) as error:  # the inputs fit the component's signature
        return CaseResult(run.case.name, (), run.seconds, None, str(error))
    seconds = time.perf_counter() - started
    if found.keys() != run.outputs.keys():
        problem = f"outputs are {', '.join(found)}, expected {', '.join(run.outputs)}"
        return CaseResult(run.case.name, (), run.seconds, seconds, problem)
    outputs = tuple(judge(gate, name, run.outputs[name], found[name]) for name in run.outputs)
    return CaseResult(run.case.name, outputs, run.seconds, seconds)


def judge(gate: gates.Gate, name: str, reference: Array, found: Array) -> OutputResult:
    """Measure an output, apply the gate, and prove that the gate would have noticed damage."""
    if found.shape != reference.shape or found.dtype != reference.dtype:
        return OutputResult(
            name,
            problem=f"is {found.dtype} {list(found.shape)}, "
            f"expected {reference.dtype} {list(reference.shape)}",
        )
    layout = LAYOUTS[name]
    measured = metrics.compare(reference, found, layout, gate.slice_floor)
    controls = []
    if measured.finite_share == 1:
        for damaged in damage.damages(found, layout):
            controls.append(
                Control(damaged.kind, not _holds(gate, name, reference, damaged.values))
            )
    return OutputResult(name, measured, gates.apply(gate, measured), tuple(controls))


def _holds(gate: gates.Gate, name: str, reference: Array, found: Array) -> bool:
    measured = metrics.compare(reference, found, LAYOUTS[name], gate.slice_floor)
    return all(row.holds for row in gates.apply(gate, measured))
