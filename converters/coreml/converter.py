"""Core ML packages, to the rest of the house."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint import license
from mobileo_export.converters.base import (
    REFERENCES,
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
    from mobileo_export.converters.base import Request
    from mobileo_export.converters.options import Options

# Memory of a conversion, measured at full size: torch, coremltools and the others, and for each
# byte of float32 weights what the kernels of the trace and the passes keep beside it. The weights
# themselves lie in a file (``mapped_weights``).
_IMPORTED_BYTES = 650_000_000
_MEMORY_PER_BYTE = {"vision_encoder": 1.1, "mcp": 1.0, "dit": 0.15, "vae_decoder": 1.2}
# What a package holds beside its weights, measured and divided by the component's tensors: graph,
# operation map and the padding of the weight file grow with the layers, not with their width.
_BYTES_PER_TENSOR = {"vision_encoder": 740, "mcp": 1076, "dit": 1643, "vae_decoder": 1783}
_PACKAGE_BYTES = 617  # its Manifest.json


def _estimate(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> Estimate:
    kept = graph_sizes(checkpoint, spec)
    elements = sum(kept.values())
    half = spec.precision(options.precision) == "float16"
    # A component that was not measured yet is taken for the worst that was.
    beside = _BYTES_PER_TENSOR.get(spec.name, max(_BYTES_PER_TENSOR.values()))
    per_byte = _MEMORY_PER_BYTE.get(spec.name, max(_MEMORY_PER_BYTE.values()))
    weights = 2 * elements if half else _float32_build(checkpoint, kept, options)
    temporary = float32_bytes(checkpoint, spec)
    if options.compression == "exact" and not half:
        temporary += temporary // 2  # what is halved lies in a file too until it is written
    return Estimate(
        bytes=weights + beside * len(kept) + _PACKAGE_BYTES,
        peak_memory=_IMPORTED_BYTES + int(4 * elements * (per_byte + (0.5 if half else 0.0))),
        seconds=5 + elements / 2e7,
        imported=_IMPORTED_BYTES,
        temporary_bytes=temporary,
    )


def _float32_build(checkpoint: Checkpoint, kept: Mapping[str, int], options: Options) -> int:
    """Bytes of the weights: of those that are stored as the checkpoint has them half as many."""
    from mobileo_export.compression.exact import LEAST_ELEMENTS

    def halves(name: str, size: int) -> bool:
        if options.compression == "none" or size < LEAST_ELEMENTS:
            return False
        # A norm or a scale behind a convolution is multiplied into it.
        module = name.rpartition(".")[0].rpartition(".")[0]
        product = name.endswith(".convffn.fc2.weight") or f"{module}.bn.bias" in kept
        return not product and checkpoint.info(name, options.weights).dtype in {"BF16", "F16"}

    return sum(size * (2 if halves(name, size) else 4) for name, size in kept.items())


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
        "stored": written.stored.as_json() if written.stored else {},
        "preview": written.preview,
    }


def _describe(
    stated: Artifact, spec: ComponentSpec, options: Options, result: Mapping[str, Any]
) -> Artifact:
    precision = spec.precision(options.precision)
    return replace(
        stated,
        function="main",
        weight_precision=precision,
        compute_precision=precision,
        compute_units=spec.compute_units,
        operation_map=stated.path.replace(".mlpackage", ".operations.json"),
        options={"compression": options.compression, **result["stored"]},
        operations=result["operations"],
    )


def _concerns(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> dict[str, Any]:
    return {
        "precision": spec.precision(options.precision),
        "compression": options.compression,
        "license": license.terms(checkpoint, options.source_name).line(),
    }


CONVERTER = Converter(
    kind="mlpackage",
    tools=("torch", "coremltools", "diffusers", "timm", "numpy", "safetensors"),
    libraries=("coremltools", *REFERENCES),
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
        "reference/vae_decoder.py",
        "reference/vision_encoder.py",
    ),
    estimate=_estimate,
    convert=_convert,
    describe=_describe,
    concerns=_concerns,
)
