"""Core AI assets, to the rest of the house."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.aimodel import wheels
from mobileo_export.bundle import manifest
from mobileo_export.converters.base import (
    REFERENCES,
    TOKENIZER_CODE,
    Converter,
    Estimate,
    float32_bytes,
    graph_sizes,
    tokenizer_bytes,
    tokenizer_digests,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.converters.base import Request
    from mobileo_export.converters.options import Options

# Estimates, not measured at full size: what the libraries take, and that the weights are held twice
# as they are written.
_IMPORTED_BYTES = 750_000_000
_COPIES = 2.0
_BYTES_PER_TENSOR = 400


def _estimate(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> Estimate:
    kept = graph_sizes(checkpoint, spec)
    elements = sum(kept.values())
    size = 4 * elements + _BYTES_PER_TENSOR * len(kept)
    if spec.name == "llm":
        size += tokenizer_bytes(checkpoint)
    return Estimate(
        bytes=size,
        peak_memory=_IMPORTED_BYTES + int(4 * elements * _COPIES),
        seconds=10 + elements / 1e7,
        imported=_IMPORTED_BYTES,
        temporary_bytes=float32_bytes(checkpoint, spec),
    )


def _convert(request: Request) -> dict[str, Any]:
    from mobileo_export.converters.coreai.convert import convert

    request.reserve()
    options = request.options
    written = convert(
        request.checkpoint,
        request.spec,
        request.output,
        options.target,
        weights=options.weights,
        license_text=request.license_text,
        progress=request.report,
    )
    return written.as_json()


def _describe(
    stated: manifest.Artifact, spec: ComponentSpec, options: Options, result: Mapping[str, Any]
) -> manifest.Artifact:
    return replace(
        stated,
        compute_units="all",
        options=result["options"],
        operations=result["operations"],
        graphs=tuple(manifest.Graph(**graph) for graph in result["graphs"]),
    )


def _concerns(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> dict[str, Any]:
    return {"texts": tokenizer_digests(checkpoint)}


def _check(checkpoint: Checkpoint, specs: tuple[ComponentSpec, ...], options: Options) -> None:
    wheels.require("exporting for Core AI", wheels.VERSIONS)


CONVERTER = Converter(
    kind="aimodel",
    tools=(
        "torch",
        wheels.CORE,
        wheels.TORCH,
        "transformers",
        "diffusers",
        "timm",
        "numpy",
        "safetensors",
    ),
    libraries=("transformers.models.qwen2.modeling_qwen2", *REFERENCES),
    code=(
        "artifacts/aimodel",
        "converters/coreai",
        "converters/decoder.py",
        "recipe.py",
        "reference",
        *TOKENIZER_CODE,
    ),
    estimate=_estimate,
    convert=_convert,
    describe=_describe,
    concerns=_concerns,
    check=_check,
)
