"""Convert one component to a Core ML package, from the checkpoint's tensors to sealed bytes."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint.license import terms
from mobileo_export.components import ComponentSpec, Precision
from mobileo_export.compression import storage
from mobileo_export.compression.plan import EXACTLY, matrices, matrix_name
from mobileo_export.converters.coreml import origins, package, storing, structure, tracing
from mobileo_export.processes import debug
from mobileo_export.progress import OnStage, ignore

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.compression.plan import CompressionPlan
    from mobileo_export.compression.storage import Storage

OPERATION_MAP = ".operations.json"  # the suffix of the map beside a package


@dataclass(frozen=True)
class CoreMLResult:
    """What was written: the package, its maps, and how many operations of each type it has.

    ``compression_map`` says how each matrix is stored, None where no plan says; ``stored`` is what
    the weights take, None where they are plain constants; ``preview`` is that of
    :meth:`ComponentSpec.preview`.
    """

    package: Path
    operation_map: Path
    compression_map: Path | None
    operations: Counter[str]
    stored: Storage | None
    preview: dict[str, Any] | None


def convert(
    checkpoint: Checkpoint,
    spec: ComponentSpec,
    package_path: Path,
    *,
    weights: Weights = "released",
    precision: Precision = "float32",
    compression: CompressionPlan = EXACTLY,
    license_text: str | None = None,
    progress: OnStage = ignore,
) -> CoreMLResult:
    """Write ``spec`` of ``checkpoint`` as ``package_path``, and its maps beside it.

    The package is an ML Program for iOS 18 (macOS 15), inputs and outputs named and typed as in
    the component's signature, float32 at its boundary whatever the compute precision, which is
    :meth:`ComponentSpec.precision`'s. ``compression`` says how matrices are stored, and what it
    says nothing of is stored in float16 where that is exact. ``license_text`` is shown by Xcode;
    what the checkpoint states if not given.

    Raises:
        CheckpointError: the component's tensors are not as they must be.
        ConversionError: the module cannot be lowered, or the result fails its structural checks.
    """
    from mobileo_export.converters.coreml.lowering import lower

    precision = spec.precision(precision)
    map_path = package_path.with_suffix(OPERATION_MAP)
    table_path = package_path.with_suffix(storage.MAP)
    model = checkpoint.model
    try:
        progress("reading weights", 0, 1)
        module = spec.reference(checkpoint, weights)
        preview = spec.preview(module, model)
        progress("tracing", 0, 1)
        traced = tracing.trace(module, spec, tracing.small_model(model))
        modules = origins.Origins(module)
        weights_dir = package.prepare(package_path)
        progress("lowering", 0, 1)
        told = None

        def store(program: Any) -> None:
            nonlocal told
            if not compression.plain:
                told = storing.store(
                    program,
                    weights_dir,
                    _planned(compression, spec, checkpoint, modules),
                    lambda done, total: progress("storing", done, total),
                )

        protobuf, program = lower(
            traced,
            modules,
            spec,
            model,
            precision,
            weights_dir,
            lambda done, total: progress("lowering", done, total),
            store,
        )
        progress("writing", 0, 1)
        structure.check(protobuf, weights_dir / "weight.bin", spec, model, precision)
        package.describe(
            protobuf,
            title=f"Mobile-O: {spec.title}",
            descriptions={
                tensor.name: tensor.description
                for tensor in (*spec.inputs(model), *spec.outputs(model))
            },
            license_text=license_text or terms(checkpoint).line(),
            user_defined={**_versions(), "mobileo_export.component": spec.name},
        )
        package.finish(package_path, protobuf)
        origins.write(map_path, modules.map(program))
        if told is not None and told.matrices:
            told.write(table_path)
    except BaseException:
        if not debug.enabled():
            shutil.rmtree(package_path, ignore_errors=True)
            map_path.unlink(missing_ok=True)
            table_path.unlink(missing_ok=True)
        raise
    table = table_path if told is not None and told.matrices else None
    census = structure.census(protobuf)
    return CoreMLResult(package_path, map_path, table, census, told, preview)


def _planned(
    plan: CompressionPlan, spec: ComponentSpec, checkpoint: Checkpoint, modules: origins.Origins
) -> storing.Matrices | None:
    """What ``plan`` says of the matrices of ``spec``; None where that is nothing."""
    from mobileo_export.reference.names import checkpoint_names, matrix_of

    if not plan.rules.get(spec.name):
        return None
    sources = checkpoint_names(spec.name, checkpoint)

    def name_of(operation: Any) -> str | None:
        found = matrix_of(modules.root, modules.of(operation).module)
        return matrix_name(sources[found], spec.prefixes) if found in sources else None

    return storing.Matrices(
        name_of,
        matrices(spec, checkpoint.model),
        lambda name: plan.asked(spec.name, name),
        lambda name: plan.made(spec.name, name),
    )


def _versions() -> dict[str, str]:
    import coremltools as ct
    import torch

    from mobileo_export import __version__

    # The keys that coremltools itself writes, so that Xcode and other tools show them.
    return {
        "com.github.apple.coremltools.version": ct.__version__,
        "com.github.apple.coremltools.source": f"torch=={torch.__version__.partition('+')[0]}",
        "com.github.apple.coremltools.source_dialect": "TorchScript",
        "mobileo_export.version": __version__,
    }
