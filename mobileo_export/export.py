"""From a checkpoint to a sealed bundle: plan, convert in worker processes, seal, rename."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__, recipe, tokenizer_files, workers
from mobileo_export.bundle import manifest, seal
from mobileo_export.bundle.workspace import MARKER, check_output, workspace
from mobileo_export.components import ComponentSpec, Dim
from mobileo_export.converters.coreml.precision import effective
from mobileo_export.errors import MissingDependencyError, UsageError
from mobileo_export.estimate import Plan, plan
from mobileo_export.notices import LICENSE, NOTICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import IO

    from mobileo_export.checkpoint import Checkpoint, NestedCopies, Weights
    from mobileo_export.converters.coreml.precision import Precision
    from mobileo_export.model_config import ModelConfig

NOTICE_FILE = "NOTICE.txt"
# What the authors' app asks for: the DiT and the decoder are too large for the Neural Engine.
_COMPUTE_UNITS = {"dit": "cpu_and_gpu", "vae_decoder": "cpu_and_gpu"}
_TOOLS = {
    "mlpackage": ("torch", "coremltools", "diffusers", "timm", "numpy", "safetensors"),
    "mlx": ("numpy", "safetensors"),
}
_LOG_HEADER = "# log of mobileo-export export\n"


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
class Result:
    """What an export wrote and found."""

    output: Path
    manifest: manifest.Manifest
    nested: NestedCopies | None
    warnings: tuple[str, ...]
    seconds: float


def preflight(
    checkpoint: Checkpoint, output: Path, options: Options, *, overwrite: bool = False
) -> Plan:
    """Find every reason to refuse that can be found before any work, and estimate the cost.

    Raises:
        MobileoError: the checkpoint, the options, the output folder, the disk or the installed
            packages cannot be used.
    """
    check_output(output, overwrite)
    estimate = plan(checkpoint, options)
    _tool_versions(options)
    _check_disk(output, estimate.bytes + estimate.temporary_bytes)
    return estimate


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
    preflight(checkpoint, output, options, overwrite=overwrite)
    with workspace(output, overwrite) as folder, _log_file(log) as stream:
        jobs = [_job(checkpoint, spec, folder, options) for spec in options.components]
        kinds = {spec.name: spec.kind for spec in options.components}
        queues = [
            (True, [job for job in jobs if kinds[job["id"]] == "mlpackage"]),
            (False, [job for job in jobs if kinds[job["id"]] == "mlx"]),
        ]
        # Reading the nested copies costs a core little and overlaps with the workers' imports.
        with ThreadPoolExecutor(1) as pool:
            comparison = pool.submit(checkpoint.compare_nested)
            results = workers.run(queues, stream, progress)
        nested = comparison.result()
        (folder / NOTICE_FILE).write_text(NOTICE, encoding="utf-8")
        progress(workers.Progress("bundle", "sealing", 0, 1))
        sealed = _manifest(checkpoint, options, folder, results, nested)
        (folder / manifest.MANIFEST).write_text(sealed.to_json(), encoding="utf-8")
        progress(workers.Progress("bundle", "sealed", 1, 1))
    warnings = (
        *checkpoint.model.warnings,
        *_nested_warnings(nested, options),
        *_unquantized_warnings(results, options),
    )
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
    return manifest.Manifest(
        generator={"name": "mobileo-export", "version": __version__},
        source=manifest.Source(
            options.source_name,
            options.source_revision,
            options.weights,
            manifest.nested_entry(nested),
        ),
        license=LICENSE,
        model={**asdict(model), "warnings": list(model.warnings)},
        recipe=asdict(recipe.build(model, tokens)),
        tools=_tool_versions(options),
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
        weight_precision=effective(spec.name, options.precision),
        compute_precision=effective(spec.name, options.precision),
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


def _unquantized_warnings(
    results: Mapping[str, Mapping[str, Any]], options: Options
) -> tuple[str, ...]:
    left = results.get("llm", {}).get("unquantized", [])
    if not left:
        return ()
    return (
        f"llm: {len(left)} layer(s) stay float16, their inputs are no multiple of the group size "
        f"{options.llm_group_size} ({left[0]}); a smaller --llm-group-size may fit",
    )


def _check_disk(output: Path, needed: int) -> None:
    parent = output.absolute().parent
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if free < needed * 1.02 + (16 << 20):
        raise UsageError(
            f"{parent}: {free / 1e9:.1f} GB free, the export takes {needed / 1e9:.1f} GB; "
            "free some space or choose another disk"
        )


def _tool_versions(options: Options) -> dict[str, str]:
    versions = {}
    for name in sorted({name for spec in options.components for name in _TOOLS[spec.kind]}):
        try:
            versions[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            raise MissingDependencyError(
                f"exporting needs {name}: pip install 'mobileo-export[export]'"
            ) from None
    return versions


@contextmanager
def _log_file(log: Path | None) -> Iterator[IO[str] | None]:
    """A fresh log; one that an earlier export left is replaced, any other file is not."""
    if log is None:
        yield None
        return
    if log.is_symlink() or (log.exists() and not _is_log(log)):
        raise UsageError(f"{log}: exists and is no log of ours; move it away, or use --verbose")
    with log.open("w", encoding="utf-8") as stream:
        stream.write(_LOG_HEADER)
        stream.flush()  # the workers write to the same file
        yield stream


def _is_log(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_LOG_HEADER)) in {b"", _LOG_HEADER.encode()}
