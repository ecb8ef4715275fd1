"""Core ML packages, to the rest of the house."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint import license
from mobileo_export.compression.exact import LEAST_ELEMENTS
from mobileo_export.compression.plan import EXACT, EXACTLY, NONE, matrix_name
from mobileo_export.compression.storage import misfits
from mobileo_export.converters.base import (
    Converter,
    Estimate,
    float32_bytes,
    graph_sizes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.bundle.manifest import Artifact
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.compression.plan import CompressionPlan
    from mobileo_export.converters.base import Request
    from mobileo_export.converters.options import Options

# Memory of a conversion, measured at full size: torch, coremltools and the others, and for each
# byte of float32 weights what the kernels of the trace and the passes keep beside it. The weights
# themselves lie in a file (``mapped_weights``).
_IMPORTED_BYTES = 650_000_000
_MEMORY_PER_BYTE = {"vision_encoder": 1.1, "mcp": 1.0, "dit": 0.15, "vae_decoder": 1.2}
# What a package holds beside its weights, measured and divided by the component's tensors: graph,
# operation map and the padding of the weight file grow with the layers, not with their width.
_BYTES_PER_TENSOR = {"vision_encoder": 920, "mcp": 1230, "dit": 1650, "vae_decoder": 1783}
# Integers as weights ended MPSGraph, the GPU's, in two projects: where a package that has them
# fails, the GPU is left out. No device of ours has run this.
_FALLBACKS = {"all": ("cpu_and_neural_engine", "cpu_only"), "cpu_and_gpu": ("cpu_only",)}
# What a plan adds beside weights: of a matrix in the map, the graph and the weight file; of a
# component and of a rule in the manifest.
_BYTES_PER_MATRIX, _BYTES_PLANNED, _BYTES_PER_RULE = 300, 1500, 100
# Of making a stored form, for each element.
_SECONDS = {"int": 4e-9, "palette": 2e-8}
_PACKAGE_BYTES = 617  # its Manifest.json


def _estimate(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> Estimate:
    kept = graph_sizes(checkpoint, spec)
    elements = sum(kept.values())
    half = spec.precision(options.precision) == "float16"
    schemes = options.compression.schemes(spec, checkpoint.model)
    # A component that was not measured yet is taken for the worst that was.
    beside = _BYTES_PER_TENSOR.get(spec.name, max(_BYTES_PER_TENSOR.values()))
    per_byte = _MEMORY_PER_BYTE.get(spec.name, max(_MEMORY_PER_BYTE.values()))
    temporary = float32_bytes(checkpoint, spec)
    if not options.compression.plain:
        temporary += temporary // 2  # what is stored otherwise lies in a file too until it is
    return Estimate(
        bytes=_weight_bytes(checkpoint, spec, options, half)
        + beside * len(kept)
        + _planned_bytes(options.compression, spec, len(schemes))
        + _PACKAGE_BYTES,
        peak_memory=_IMPORTED_BYTES + int(4 * elements * (per_byte + (0.5 if half else 0.0))),
        seconds=5
        + elements / 2e7
        + sum(_SECONDS.get(s.form, 0) * math.prod(shape) for s, shape in schemes.values()),
        imported=_IMPORTED_BYTES,
        temporary_bytes=temporary,
    )


def _planned_bytes(plan: CompressionPlan, spec: ComponentSpec, matrices: int) -> int:
    """What a plan of so many ``matrices`` adds beside their weights: no less than it takes."""
    rules = plan.stated(spec.name)
    if not rules:
        return 0
    stated = sum(_BYTES_PER_RULE + sum(map(len, rule.values())) for rule in rules)
    return _BYTES_PLANNED + stated + _BYTES_PER_MATRIX * matrices


def _weight_bytes(checkpoint: Checkpoint, spec: ComponentSpec, options: Options, half: bool) -> int:
    kept, plan = graph_sizes(checkpoint, spec), options.compression
    schemes = plan.schemes(spec, checkpoint.model)

    def halves(name: str, size: int) -> bool:
        if plan.plain or size < LEAST_ELEMENTS:
            return False
        # A norm or a scale behind a convolution is multiplied into it.
        module = name.rpartition(".")[0].rpartition(".")[0]
        product = name.endswith(".convffn.fc2.weight") or f"{module}.bn.bias" in kept
        return not product and checkpoint.info(name, options.weights).dtype in {"BF16", "F16"}

    def bits(name: str, size: int) -> int:
        matrix = matrix_name(name, spec.prefixes)
        if name.endswith(".weight") and matrix in schemes:
            scheme, shape = schemes[matrix]
            if scheme != EXACT:
                return scheme.stored_bits(shape, 16 if half else 32)
        return size * (16 if half or halves(name, size) else 32)

    return sum(bits(name, size) for name, size in kept.items()) // 8


def _convert(request: Request) -> dict[str, Any]:
    from mobileo_export.converters.coreml.convert import convert

    request.reserve()
    written = convert(
        request.checkpoint,
        request.spec,
        request.output,
        weights=request.options.weights,
        precision=request.options.precision,
        compression=request.options.compression,
        license_text=request.license_text,
        progress=request.report,
    )
    return {
        "operations": dict(sorted(written.operations.items())),
        "stored": written.stored.stated() if written.stored else {},
        "compression_map": written.compression_map and written.compression_map.name,
        "preview": written.preview,
    }


def _describe(
    stated: Artifact, spec: ComponentSpec, options: Options, result: Mapping[str, Any]
) -> Artifact:
    precision = spec.precision(options.precision)
    planned = bool(options.compression.stated(spec.name))
    return replace(
        stated,
        function="main",
        weight_precision=precision,
        compute_precision=precision,
        compute_units=spec.compute_units,
        operation_map=stated.path.replace(".mlpackage", ".operations.json"),
        options={**_stated(options.compression, spec), **result["stored"]},
        operations=result["operations"],
        compression_map=result["compression_map"],
        fallback_compute_units=_FALLBACKS[spec.compute_units] if planned else None,
    )


def _concerns(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> dict[str, Any]:
    return {
        "precision": spec.precision(options.precision),
        **_stated(options.compression, spec),
        **options.compression.rounded_for(spec.name),
        "license": license.terms(checkpoint, options.source_name).line(),
    }


def _stated(plan: CompressionPlan, spec: ComponentSpec) -> dict[str, Any]:
    return plan.options(spec.name, NONE.name if plan.plain else EXACTLY.name)


def _warnings(checkpoint: Checkpoint, options: Options) -> tuple[str, ...]:
    return tuple(
        line
        for spec in options.components
        if (line := misfits(options.compression, spec, checkpoint.model))
    )


def _check(checkpoint: Checkpoint, specs: tuple[ComponentSpec, ...], options: Options) -> None:
    options.compression.check(checkpoint.model)
    if options.compression.rounded is not None:
        options.compression.rounded.check(checkpoint, options.weights)


CONVERTER = Converter(
    kind="mlpackage",
    tools=("torch", "coremltools", "diffusers", "timm", "numpy", "safetensors"),
    libraries=("coremltools",),
    options=frozenset({"precision", "compression"}),
    code=(
        "checkpoint/license.py",  # the licence that a package states
        "compression",
        "converters/coreml",
        "reference/dit.py",
        "reference/loading.py",
        "reference/mcp.py",
        "reference/names.py",
        "reference/preview.py",
        "reference/timm_names.py",
        "reference/vae_decoder.py",
        "reference/vision_encoder.py",
    ),
    estimate=_estimate,
    convert=_convert,
    describe=_describe,
    concerns=_concerns,
    check=_check,
    warnings=_warnings,
)
