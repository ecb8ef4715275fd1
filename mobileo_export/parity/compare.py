"""Compare a bundle's artifacts with the checkpoint's references: plain results, nothing printed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.aimodel import asset
from mobileo_export.components import COMPONENTS, ComponentSpec
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity import gates, means
from mobileo_export.parity.cases import ORDER
from mobileo_export.parity.judge import run_cases, with_stored
from mobileo_export.parity.naming import called
from mobileo_export.parity.references import References
from mobileo_export.parity.results import (
    Comparison,
    ComponentResult,
    Skip,
    StoredValues,
)
from mobileo_export.processes.beside import Here, at_once
from mobileo_export.progress import OnCount, OnProgress, Progress, ignore
from mobileo_export.runtimes import registry, select, tf32

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.parity.stored_values.compressed import CompressedPackage, CompressedWeights


def begin_bundle(
    bundle: Path,
    checkpoint: Checkpoint,
    components: Sequence[ComponentSpec] | None = None,
    runtime: str = "auto",
    compute_units: str | None = None,
    progress: OnProgress = lambda event: None,
    references: References | None = None,
    calls: Here | None = None,
) -> Callable[[], Comparison]:
    """Run every case of every chosen component on both sides; what is returned judges it.

    Args:
        bundle: a sealed bundle; its files are taken to be as sealed.
        checkpoint: what it was made from.
        components: which to compare; None for all that the bundle holds.
        runtime: ``auto``, or one of ``runtimes.select.RUNTIMES``; with several components it is
            for those that it can execute, the others are left to ``auto``.
        compute_units: of Core ML; None for those that the manifest names.
        progress: called as cases are done.
        references: of this checkpoint, kept from comparing another bundle with it.
        calls: where the artifacts run; None for at once, in this process.

    Raises:
        BundleError: the bundle lacks a chosen component or was made from other weights.
        CheckpointError: the checkpoint cannot be read, or lacks a component.
        UsageError: the runtime and the options do not go together.
        RuntimeUnavailableError: the runtime cannot execute an artifact on this machine.
    """
    from mobileo_export.bundle import manifest

    tf32.off()
    content = manifest.read(bundle)
    chosen = choose(bundle, content, components)
    kinds = runtimes(bundle, content, components, runtime, compute_units)
    weights = check_weights(content, checkpoint)
    for spec in chosen:
        progress(Progress(spec.name, "same weights?", 0, 1))
        check_origin(bundle, content, checkpoint, spec)
    references = references or References(checkpoint, weights, progress)
    references.expect(spec.name for spec in chosen)
    begun = {
        spec.name: begin_component(
            bundle, content, spec, references, kinds[spec.name], compute_units, progress, calls
        )
        for spec in sorted(chosen, key=lambda spec: ORDER.index(spec.name))
    }
    return lambda: Comparison(
        str(bundle),
        called(checkpoint.path),
        weights,
        ", ".join(dict.fromkeys(kinds.values())),
        tuple(result for spec in chosen for result in begun[spec.name]()),
        (
            *(_absent(content) if components is None else ()),
            *_without_bound(bundle, content, chosen, checkpoint),
        ),
    )


compare_bundle = at_once(begin_bundle)


def begin_component(
    bundle: Path,
    content: dict[str, Any],
    spec: ComponentSpec,
    references: References,
    kind: str,
    compute_units: str | None = None,
    progress: OnProgress = lambda event: None,
    calls: Here | None = None,
) -> Callable[[], tuple[ComponentResult, ...]]:
    """One component of :func:`begin_bundle`.

    Args:
        bundle: where it lies.
        content: the bundle's manifest.
        spec: a component that the manifest lists.
        references: of the checkpoint that :func:`check_origin` has found to be the right one.
        kind: the runtime, as :func:`runtimes` gives it.
        compute_units: of Core ML; None for those that the manifest names.
        progress: called as cases are done.
        calls: where the artifact runs; None for at once, in this process.

    Returns:
        What gives one result a gate: a package has one, or of compressed weights two, the language
        model several.
    """
    calls = calls or Here(progress)
    artifact = content["components"][spec.name]["artifacts"][0]
    path = bundle / artifact["path"]
    known = means.of(artifact["kind"])
    if known.quantized:
        if spec.name == "llm":
            from mobileo_export.parity.language_model.compare import begin_language_model

            return begin_language_model(path, artifact, references, kind, progress, calls)
        from mobileo_export.parity.folders import begin_folder

        return begin_folder(path, artifact, spec, references, kind, progress, calls)
    units = compute_units or artifact["compute_units"]
    label = registry.label(kind, units)
    compressed = compressed_weights(bundle, content, spec, references.checkpoint)
    against: gates.Against = "checkpoint" if compressed is None else "stored weights"
    gate = gates.find(spec.name, artifact["compute_precision"], label, against)
    runs = references.runs(spec.name)
    judged_by = [(gate, runs)]
    if compressed is not None:
        try:
            judged_by = [(gate, compressed.runs(references))]
        except BundleError as error:
            broken = ComponentResult(gate, path.name, (), (), str(error))
            return lambda: (broken,)
        measured = compressed.gate(label, references.checkpoint)
        judged_by += [(measured, runs)] if measured is not None else []
    judged = calls.begin(
        run_cases, path, judged_by, partial(select.load_artifact, path, kind, units)
    )

    def results() -> tuple[ComponentResult, ...]:
        first, *others = judged()
        if first.problem is None and (known.graph or known.values):
            check = partial(stored_values, bundle, artifact, spec, references, compressed)
            first = with_stored(first, check, progress)
        return (first, *others)

    return results


compare_component = at_once(begin_component)


def runtimes(
    bundle: Path,
    content: dict[str, Any],
    components: Sequence[ComponentSpec] | None,
    runtime: str = "auto",
    compute_units: str | None = None,
) -> dict[str, str]:
    """What executes each component that is compared; cheap, so that it is asked before any work.

    Args:
        bundle: for messages.
        content: its manifest.
        components: which; None for all that the bundle holds.
        runtime: see :func:`begin_bundle`.
        compute_units: of Core ML.

    Raises:
        as :func:`begin_bundle`, the checkpoint apart.
    """
    names = [spec.name for spec in choose(bundle, content, components)]
    kinds = select.assign(bundle, content, runtime, names)
    check_units(compute_units, kinds.values())
    return kinds


def check_units(compute_units: str | None, runtimes: Collection[str]) -> None:
    """Refuse compute units that none of the ``runtimes`` is told."""
    able = [name for name, entry in registry.ENTRIES.items() if entry.units]
    if compute_units is not None and not any(name in able for name in runtimes):
        raise UsageError(
            f"--compute-units {compute_units}: goes with --runtime {' or '.join(able)} only"
        )


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


def choose(
    bundle: Path, content: dict[str, Any], components: Sequence[ComponentSpec] | None
) -> list[ComponentSpec]:
    """The ``components`` that are asked for; for None all that the bundle holds.

    Raises:
        BundleError: the bundle lacks one of them.
    """
    held = content["components"]
    if components is None:
        return [spec for name, spec in COMPONENTS.items() if name in held]
    for spec in components:
        if spec.name not in held:
            raise BundleError(f"{bundle}: has no {spec.name}; export it again without --only")
    return list(components)


def _absent(content: dict[str, Any]) -> tuple[Skip, ...]:
    """What was to be compared and the bundle does not hold, as one made with ``--only``."""
    held = content["components"]
    return tuple(Skip(name, f"the bundle has no {name}") for name in COMPONENTS if name not in held)


def compressed_package(
    bundle: Path, content: dict[str, Any], spec: ComponentSpec, checkpoint: Checkpoint
) -> CompressedPackage | None:
    """The package of ``spec`` if its weights are compressed, and held against what is left."""
    artifact = content["components"][spec.name]["artifacts"][0]
    if not artifact["options"].get("rules") or not means.of(artifact["kind"]).graph:
        return None
    from mobileo_export.parity.stored_values import compressed

    return compressed.of_bundle(bundle, artifact, spec, checkpoint.model)


def compressed_weights(
    bundle: Path, content: dict[str, Any], spec: ComponentSpec, checkpoint: Checkpoint
) -> CompressedWeights | None:
    """The same of whatever artifact ``spec`` is, a package or an asset."""
    artifact = content["components"][spec.name]["artifacts"][0]
    if artifact["options"].get("rules") and means.of(artifact["kind"]).values:
        from mobileo_export.parity.stored_values import compressed_asset

        return compressed_asset.of_bundle(bundle, artifact, spec, checkpoint.model)
    return compressed_package(bundle, content, spec, checkpoint)


def _without_bound(
    bundle: Path, content: dict[str, Any], specs: Sequence[ComponentSpec], checkpoint: Checkpoint
) -> Iterator[Skip]:
    """What is held against its stored weights alone, for no bound could judge what they cost."""
    for spec in specs:
        artifact = content["components"][spec.name]["artifacts"][0]
        weights = compressed_weights(bundle, content, spec, checkpoint)
        folder = None
        if means.of(artifact["kind"]).quantized and spec.name != "llm":
            from mobileo_export.parity.stored_values import folders

            folder = folders.of_bundle(bundle, artifact, spec, checkpoint.model)
        held = weights or folder
        if held is not None and held.gate(registry.host(artifact["kind"]), checkpoint) is None:
            label = held.label(checkpoint.model)
            reason = f"what {label} weights cost no bound tells from a defect; evaluate measures it"
            yield Skip(spec.name, f"against the checkpoint: {reason}")


def stored_values(
    bundle: Path,
    artifact: dict[str, Any],
    spec: ComponentSpec,
    references: References,
    compressed: CompressedWeights | None = None,
    progress: OnCount = ignore,
) -> StoredValues:
    """The constants of an artifact that can be looked into, compared with the checkpoint's.

    Raises:
        BundleError: the artifact is missing or damaged.
    """
    from mobileo_export.parity.stored_values import program_values, stored
    from mobileo_export.parity.stored_values.compressed import CompressedPackage
    from mobileo_export.parity.stored_values.compressed_asset import CompressedAsset
    from mobileo_export.parity.stored_values.reference_modules import ReferenceModules

    modules = ReferenceModules(references.checkpoint, spec, references.weights)
    path = bundle / artifact["path"]
    if means.of(artifact["kind"]).values:
        schemes = compressed.schemes(modules) if isinstance(compressed, CompressedAsset) else {}
        return program_values.check(asset.located(path), modules, progress, schemes)
    precision = artifact["compute_precision"]
    table = operation_map(bundle, artifact)
    package = compressed if isinstance(compressed, CompressedPackage) else None
    return stored.check(path, table, modules, precision, progress, package)


def operation_map(bundle: Path, artifact: dict[str, Any]) -> Path:
    """Where the manifest says that a package's operations are named."""
    path = Path(artifact["path"])
    return bundle / (artifact.get("operation_map") or path.with_suffix(".operations.json"))
