"""From a checkpoint to a sealed bundle: plan, convert in worker processes, seal, rename."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from mobileo_export import __version__, components, recipe, tokenizer_files, workers
from mobileo_export.bundle import manifest, seal
from mobileo_export.bundle.workspace import MARKER, check_output, workspace
from mobileo_export.checkpoint import Checkpoint, NestedCopies, Weights
from mobileo_export.components import ComponentSpec, Dim
from mobileo_export.converters.coreml.precision import Precision
from mobileo_export.converters.mlx.planning import plan as mlx_plan
from mobileo_export.errors import UsageError
from mobileo_export.model_config import ModelConfig
from mobileo_export.notices import LICENSE, NOTICE

NOTICE_FILE = "NOTICE.txt"
# What the authors' app asks for: the DiT and the decoder are too large for the Neural Engine.
_COMPUTE_UNITS = {"dit": "cpu_and_gpu", "vae_decoder": "cpu_and_gpu"}
_IMPORTED_BYTES = 520 << 20  # torch, coremltools, diffusers and timm in memory (measured)
_TOOLS = {
    "mlpackage": ("torch", "coremltools", "diffusers", "timm", "numpy", "safetensors"),
    "mlx": ("numpy", "safetensors"),
}


@dataclass(frozen=True)
class Options:
    """What to export and how. ``llm_exceptions`` maps module patterns to bits."""

    components: tuple[ComponentSpec, ...]
    weights: Weights = "released"
    precision: Precision = "float32"
    llm_bits: int = 8
    llm_group_size: int = 64
    llm_exceptions: Mapping[str, int] = field(default_factory=dict)
    source_name: str | None = None
    source_revision: str | None = None


@dataclass(frozen=True)
class ComponentPlan:
    """What one component will cost: bytes on disk and in memory, and rough seconds."""

    component: str
    artifact: str
    bytes: int
    peak_memory: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What an export would write. ``peak_memory`` counts everything that runs at one time."""

    components: tuple[ComponentPlan, ...]
    bytes: int
    peak_memory: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """What an export wrote and found."""

    output: Path
    manifest: manifest.Manifest
    nested: NestedCopies | None
    warnings: tuple[str, ...]
    seconds: float


def plan(checkpoint: Checkpoint, options: Options) -> Plan:
    """Check everything that can be checked from headers, and estimate the cost.

    Raises:
        CheckpointError: a tensor or a tokenizer file is not as it must be.
    """
    model = checkpoint.model
    checkpoint.require_weights(options.weights)
    components.check_foreign(checkpoint)
    tokenizer_files.special_ids(checkpoint.path)
    plans = []
    for spec in options.components:
        spec.check(checkpoint)
        elements = manifest.count_parameters(spec, model)
        if spec.kind == "mlx":
            tokenizer_files.require(checkpoint.path)
            size = mlx_plan(
                model, options.llm_bits, options.llm_group_size, options.llm_exceptions
            ).nbytes
            plans.append(ComponentPlan(spec.name, spec.artifact, size, 400 << 20, elements / 4e7))
        else:
            size = elements * (4 if options.precision == "float32" else 2)
            memory = _IMPORTED_BYTES + 4 * elements + (200 << 20)
            plans.append(
                ComponentPlan(spec.name, spec.artifact, size, memory, 4 + elements / 2.5e7)
            )
    packages = [p for p in plans if p.artifact.endswith(".mlpackage")]
    others = [p for p in plans if p not in packages]
    return Plan(
        tuple(plans),
        sum(p.bytes for p in plans),
        max((p.peak_memory for p in packages), default=0) + sum(p.peak_memory for p in others),
        max(sum(p.seconds for p in packages) + 9 * bool(packages), sum(p.seconds for p in others)),
    )


def export(
    checkpoint: Checkpoint,
    output: Path,
    options: Options,
    *,
    overwrite: bool = False,
    log: Path | None = None,
    progress: Callable[[workers.Progress], None] = lambda event: None,
) -> Result:
    """Convert the chosen components of ``checkpoint`` into a sealed bundle at ``output``.

    Library output goes to ``log``, or to standard error when it is None. Nothing is left behind
    when it fails or is interrupted; ``output`` appears whole or not at all.

    Raises:
        MobileoError: the checkpoint, the options or the output folder cannot be used.
    """
    started = time.monotonic()
    check_output(output, overwrite)
    _check_disk(output, plan(checkpoint, options).bytes)
    with workspace(output, overwrite) as folder:
        jobs = [_job(checkpoint, spec, folder, options) for spec in options.components]
        kinds = {spec.name: spec.kind for spec in options.components}
        queues = [
            (True, [job for job in jobs if kinds[job["id"]] == "mlpackage"]),
            (False, [job for job in jobs if kinds[job["id"]] == "mlx"]),
        ]
        # Reading the nested copies costs a core little and overlaps with the workers' imports.
        with ThreadPoolExecutor(1) as pool, _log_file(log) as stream:
            comparison = pool.submit(checkpoint.compare_nested)
            results = workers.run(queues, stream, progress)
        nested = comparison.result()
        (folder / NOTICE_FILE).write_text(NOTICE, encoding="utf-8")
        progress(workers.Progress("bundle", "sealing", 0, 1))
        sealed = _manifest(checkpoint, options, folder, results, nested)
        (folder / manifest.MANIFEST).write_text(sealed.to_json(), encoding="utf-8")
        progress(workers.Progress("bundle", "sealed", 1, 1))
    warnings = (*checkpoint.model.warnings, *_nested_warnings(nested, options))
    return Result(output, sealed, nested, warnings, time.monotonic() - started)


def _job(
    checkpoint: Checkpoint, spec: ComponentSpec, folder: Path, options: Options
) -> dict[str, Any]:
    return {
        "id": spec.name,
        "checkpoint": str(checkpoint.path.resolve()),
        "component": spec.name,
        "output": str(folder.resolve()),
        "weights": options.weights,
        "precision": options.precision,
        "llm_bits": options.llm_bits,
        "llm_group_size": options.llm_group_size,
        "llm_exceptions": dict(options.llm_exceptions),
    }


def _manifest(
    checkpoint: Checkpoint,
    options: Options,
    folder: Path,
    results: Mapping[str, dict[str, Any]],
    nested: NestedCopies | None,
) -> manifest.Manifest:
    model = checkpoint.model
    tokens = tokenizer_files.special_ids(checkpoint.path)
    tools = {name for spec in options.components for name in _TOOLS[spec.kind]}
    return manifest.Manifest(
        generator={"name": "mobileo-export", "version": __version__},
        source=manifest.Source(
            options.source_name,
            options.source_revision,
            options.weights,
            asdict(nested) if nested is not None else None,
        ),
        license=LICENSE,
        model={**asdict(model), "warnings": list(model.warnings)},
        recipe=asdict(recipe.build(model, tokens)),
        tools={name: metadata.version(name).partition("+")[0] for name in sorted(tools)},
        components={
            spec.name: manifest.component_entry(
                spec,
                model,
                results[spec.name]["tensors_sha256"],
                (_artifact(spec, model, options, results[spec.name]),),
            )
            for spec in options.components
        },
        files=seal.entries(folder, ignore=frozenset({MARKER})),
    )


def _artifact(
    spec: ComponentSpec, model: ModelConfig, options: Options, result: Mapping[str, Any]
) -> manifest.Artifact:
    if spec.kind == "mlx":
        bits = options.llm_bits
        return manifest.Artifact(
            target="ios",
            path=spec.artifact,
            function=None,
            weight_precision="float16" if bits == 16 else f"{bits}-bit",
            compute_precision="float16",
            shapes="range",
            compute_units="gpu",
            operation_map=None,
            options={
                "bits": bits,
                "group_size": options.llm_group_size,
                "exceptions": dict(options.llm_exceptions),
                "bits_per_weight": result["bits_per_weight"],
            },
            operations={},
        )
    flexible = any(isinstance(dim, Dim) for tensor in spec.inputs(model) for dim in tensor.shape)
    return manifest.Artifact(
        target="ios",
        path=spec.artifact,
        function="main",
        weight_precision=options.precision,
        compute_precision=options.precision,
        shapes="range" if flexible else "fixed",
        compute_units=_COMPUTE_UNITS.get(spec.name, "all"),
        operation_map=spec.artifact.replace(".mlpackage", ".operations.json"),
        options={},
        operations=result["operations"],
    )


def _nested_warnings(nested: NestedCopies | None, options: Options) -> tuple[str, ...]:
    if nested is None or not nested.differing:
        return ()
    found = (
        f"{nested.differing} of {nested.count} nested copies (base_model.model.*) differ from the "
        f"top-level weights, by up to {nested.largest_difference:.2%} ({nested.largest_name})"
    )
    if options.weights == "released":
        return (f"{found}; the top-level ones were exported; --weights post-trained for others",)
    return (f"{found}; the nested ones were exported",)


def _check_disk(output: Path, needed: int) -> None:
    parent = output.absolute().parent
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if free < needed * 1.02 + (16 << 20):
        raise UsageError(
            f"{parent}: {free / 1e9:.1f} GB free, the bundle takes {needed / 1e9:.1f} GB; "
            "free some space or choose another disk"
        )


def _log_file(log: Path | None) -> Any:
    if log is None:
        return nullcontext(None)
    log.parent.mkdir(parents=True, exist_ok=True)
    stream: IO[str] = log.open("w", encoding="utf-8")
    return stream
