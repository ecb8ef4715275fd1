"""The chained comparison: hidden states through MCP, DiT and decoder to an image, on both sides.

Both sides start from the reference's hidden states of a real prompt and from the same noise, and
then each goes its own way, so that errors add up as they do in use: the reference through PyTorch
modules and diffusers' solver, the artifacts through a runtime and the solver that needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import recipe as recipes
from mobileo_export import targets
from mobileo_export.components import COMPONENTS as SPECS
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity import metrics
from mobileo_export.parity.chain.results import (
    ChainComparison,
    ChainGate,
    ChainResult,
    ChainStep,
    Drift,
    ImageDrift,
    Pictures,
    Pixels,
    Seconds,
)
from mobileo_export.parity.chain.sides import (
    Trajectory,
    Wrap,
    artifact_model,
    trace,
    unchanged,
)
from mobileo_export.parity.compare import check_units, check_weights, compressed_weights
from mobileo_export.parity.gates import Row
from mobileo_export.parity.metrics import SLICE_FLOOR
from mobileo_export.parity.references import References
from mobileo_export.pipelines import images
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import open_model
from mobileo_export.processes.beside import Here, at_once
from mobileo_export.progress import OnProgress
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import Layout
    from mobileo_export.recipe import Recipe

    Float = NDArray[np.float32]

__all__ = ["Trajectory", "compare_chain", "compare_trajectories", "trace"]
COMPONENTS = ("mcp", "dit", "vae_decoder")
CHAINS = ("prompt", "edit")  # cases of the language model
# PSNR of the image in dB, and relative L2 of the final latent; derived in docs/gates.md.
BOUNDS = {"float32": (60.0, 2e-5), "float16": (50.0, 7e-3)}
# The same of what a plan leaves of the weights, against the checkpoint: half of the noise amplitude
# and of the latent that its preset, or all matrices at so many bits, measures.
COMPRESSED = {
    "16-bit": (60.0, 1e-3),
    "w8": (39.0, 0.019),
    "8-bit": (36.0, 0.024),
    "6-bit": (25.0, 0.085),
}


def begin_chain(
    bundle: Path,
    checkpoint: Checkpoint,
    runtime: str = "auto",
    compute_units: str | None = None,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    chains: Sequence[str] = CHAINS,
    progress: OnProgress = lambda event: None,
    references: References | None = None,
    reference_trajectories: Mapping[str, Trajectory] | None = None,
    wrap: Wrap = unchanged,
    calls: Here | None = None,
) -> Callable[[], ChainComparison]:
    """Draw the same pictures on both sides; what is returned measures how they part.

    One component of one side is in memory at a time.

    Args:
        bundle: a sealed bundle; its files are taken to be as sealed, its weights to be those of
            the checkpoint (``compare.check_origin``).
        checkpoint: what it was made from.
        runtime: ``auto``, or one that executes the artifacts; another is left to ``auto``.
        compute_units: of Core ML; None for those that the manifest names.
        steps: of the scheduler; None for the recipe's.
        guidance: None for the recipe's.
        chains: cases of the language model to start from.
        progress: called before each component and each step.
        references: of this checkpoint, kept from comparing the components.
        reference_trajectories: of the same drawing, kept from an earlier call (:func:`trace`).
        wrap: see :data:`Wrap`; around the artifacts only.
        calls: where the artifacts run; None for at once, in this process.

    Raises:
        UsageError: the steps or the guidance are out of range, or the runtime does not fit.
        CheckpointError: the checkpoint cannot be read, or lacks a component.
        RuntimeUnavailableError: the runtime cannot execute an artifact on this machine.
    """
    from mobileo_export.bundle import manifest
    from mobileo_export.runtimes import select

    content = manifest.read(bundle)
    artifacts = _artifacts(content)
    form = artifacts[-1]["kind"] if artifacts else targets.TARGETS[targets.DEFAULT].made.kind
    kind = select.resolve(form, runtime, 0, only=False, precision=_precision(artifacts))
    check_units(compute_units, (kind,))
    weights = check_weights(content, checkpoint)
    packages = {
        name: package
        for name in COMPONENTS
        if name in content["components"]
        and (package := compressed_weights(bundle, content, SPECS[name], checkpoint))
    }
    gate = find_gate(content, kind, compute_units)
    gate = replace(gate, against="stored weights" if packages else "checkpoint")
    reference = open_model(str(checkpoint.path), "torch", weights, offline=True, keep=True)
    drawing = Drawing.of(reference.recipe, steps, guidance)
    missing = [name for name in COMPONENTS if name not in content["components"]]
    if missing:
        reason = f"the bundle has no {' and no '.join(missing)}"
        skipped = ChainComparison(gate, asdict(drawing), (), {}, reason)
        return lambda: skipped
    references = references or References(checkpoint, weights)
    reference.open_component = references.open
    states: dict[str, Any] = {
        run.case.name: run.outputs["stacked_hidden_states"]
        for run in references.runs("llm", tuple(chains))
    }
    stated = recipes.from_manifest(content["recipe"])
    problem = _other_recipe(reference.recipe, stated)
    calls = calls or Here(progress)
    drawn = (
        calls.begin(
            _draw, bundle, checkpoint.path, kind, compute_units, wrap, states, drawing, gate.runtime
        )
        if problem is None
        else lambda: ({}, problem)
    )
    truth = reference_trajectories or trace(reference, states, drawing, "torch", progress)
    judged_by, unchecked = [(gate, truth)], None
    if packages:
        stored = open_model(str(checkpoint.path), "torch", weights, offline=True, keep=True)
        stored.open_component = lambda name: (
            packages[name].session(checkpoint, weights)
            if name in packages
            else references.open(name)
        )
        judged_by = [(gate, trace(stored, states, drawing, "torch, stored weights", progress))]
        labels = {package.label(checkpoint.model) for package in packages.values()}
        if labels <= COMPRESSED.keys():
            judged_by.append((_measured_gate(gate, labels), truth))
        else:
            unchecked = (
                f"against the checkpoint: with {', '.join(sorted(labels - COMPRESSED.keys()))} "
                "weights a picture may be another one; evaluate tells whether it is as right"
            )

    def compared() -> ChainComparison:
        found, problem = drawn()
        results, pictures = [], {}
        for number, (judge, side) in enumerate(judged_by):
            for case, hidden in states.items():
                name = f"{case}, against the {judge.against}" if number else case
                result, shown = compare_trajectories(
                    name, hidden.shape[2], side[case], found.get(case), judge, problem
                )
                results.append(replace(result, gate=judge if number else None))
                if shown is not None:
                    pictures[name] = shown
        return ChainComparison(gate, asdict(drawing), tuple(results), pictures, unchecked=unchecked)

    return compared


compare_chain = at_once(begin_chain)


def _draw(
    bundle: Path,
    tokenizer: Path,
    kind: str,
    compute_units: str | None,
    wrap: Wrap,
    states: Mapping[str, Any],
    drawing: Drawing,
    side: str,
    progress: OnProgress,
) -> tuple[dict[str, Trajectory], str | None]:
    """What the artifacts make of the hidden states, or what keeps them from it."""
    artifact = artifact_model(bundle, tokenizer, kind, compute_units, wrap)
    try:
        return trace(artifact, states, drawing, side, progress), None
    except (UsageError, BundleError) as error:  # the inputs fit the components' signatures
        return {}, str(error)


def find_gate(content: Mapping[str, Any], kind: str, compute_units: str | None) -> ChainGate:
    """The gate of a manifest's chain: that of the lowest precision among its artifacts."""
    artifacts = _artifacts(content)
    precision = _precision(artifacts)
    units = compute_units or (artifacts[0]["compute_units"] if artifacts else "")
    psnr, latent = BOUNDS[precision]
    label = registry.label(kind, units)
    provisional = not registry.ENTRIES[kind].exact
    return ChainGate(precision, label, psnr, latent, SLICE_FLOOR, provisional=provisional)


def _artifacts(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of those that a chain runs through, as far as there are any."""
    held = content["components"]
    return [held[name]["artifacts"][0] for name in COMPONENTS if name in held]


def _precision(artifacts: Sequence[Mapping[str, Any]]) -> str:
    half = any(artifact["compute_precision"] == "float16" for artifact in artifacts)
    return "float16" if half else "float32"


def _measured_gate(exact: ChainGate, labels: Collection[str]) -> ChainGate:
    """What compressed weights may cost the pictures: by the loosest label among them."""
    loosest = min(labels, key=lambda label: COMPRESSED[label][0])
    psnr, latent = COMPRESSED[loosest]
    return replace(exact, precision=loosest, psnr=psnr, latent=latent, against="checkpoint")


def compare_trajectories(
    name: str,
    tokens: int,
    reference: Trajectory,
    found: Trajectory | None,
    gate: ChainGate,
    problem: str | None = None,
) -> tuple[ChainResult, Pictures | None]:
    """Measure one chain and apply the gate.

    Args:
        name: of the chain.
        tokens: N of its hidden states.
        reference: the PyTorch side, whole.
        found: the artifacts' side, None when there is none.
        gate: the bounds.
        problem: why ``found`` is missing.
    """
    seconds = Seconds(**reference.seconds)
    if found is None or found.image is None or reference.image is None:
        why = problem or "the artifacts made no image"
        return ChainResult(name, tokens, {}, (), None, (), seconds, None, why), None

    def drift(truth: Float, value: Float, layout: Layout) -> Drift:
        if truth.shape != value.shape:
            return Drift(math.inf, None)
        measured = metrics.compare(truth, value, layout, gate.slice_floor)
        return Drift(measured.relative_l2, measured.worst[0])

    conditioning = {
        branch: drift(values, found.conditioning[branch], "sequence")
        for branch, values in reference.conditioning.items()
    }
    pairs = zip(
        reference.velocities, found.velocities, reference.latents, found.latents, strict=True
    )
    steps = tuple(
        ChainStep(i, reference.timesteps[i], drift(v, w, "image"), drift(x, y, "image"))
        for i, (v, w, x, y) in enumerate(pairs)
    )
    if reference.image.shape != found.image.shape:
        why = f"image is {list(found.image.shape)}, expected {list(reference.image.shape)}"
        return ChainResult(name, tokens, conditioning, steps, None, (), seconds, None, why), None
    image, pictures = _compare_images(reference.image, found.image, gate)
    latent = steps[-1].latent.relative_l2
    rows = (
        Row("psnr", image.psnr, gate.psnr, image.psnr >= gate.psnr),
        Row("latent", latent, gate.latent, latent <= gate.latent),
    )
    ours = Seconds(**found.seconds)
    return ChainResult(name, tokens, conditioning, steps, image, rows, seconds, ours), pictures


def _compare_images(reference: Float, found: Float, gate: ChainGate) -> tuple[ImageDrift, Pictures]:
    measured = metrics.compare(reference, found, "image", gate.slice_floor)
    patches = [item for item in measured.worst if item.family == "patch"]
    first, second = images.to_pixels(reference), images.to_pixels(found)
    apart = np.abs(first.astype(np.int16) - second.astype(np.int16)).max(-1)
    with np.errstate(invalid="ignore", over="ignore"):
        unit = np.abs(found.astype(np.float64) - reference)[0].max(0) / 2
    unit = np.nan_to_num(unit, nan=1.0, posinf=1.0)
    peak = min(1.0, float(unit.max()))
    factor = _round_down(1 / peak) if peak > 0 else 0.0
    gray = np.rint(np.clip(unit * factor, 0, 1) * 255).astype(np.uint8)
    drift = ImageDrift(
        measured.psnr,
        measured.relative_l2,
        measured.max_absolute,
        patches[0] if patches else None,
        Pixels(int((apart > 0).sum()), int(apart.size), int(apart.max())),
        factor,
    )
    return drift, Pictures(first, second, np.repeat(gray[..., None], 3, -1))


def _round_down(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten, for a factor that a caption can state."""
    power = 10.0 ** math.floor(math.log10(value))
    return power * max(digit for digit in (1, 2, 5) if digit * power <= value or digit == 1)


def _other_recipe(reference: Recipe, artifact: Recipe) -> str | None:
    """What the bundle would draw differently, whatever its artifacts compute."""
    for part in ("sampling", "latent"):
        expected, stated = asdict(getattr(reference, part)), asdict(getattr(artifact, part))
        for name, value in expected.items():
            if stated[name] != value:
                return (
                    f"the manifest's recipe has {part}.{name} {stated[name]}, the checkpoint "
                    f"{value}; export it again"
                )
    return None
