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
    TracingCost,
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

# Measured at 0.5B: the program holds the weights once until it is written. The graph's bytes a
# tensor of the component.
_COST = TracingCost(580_000_000, 1.15, 1.5e7)
_BYTES_PER_TENSOR = 400


def _estimate(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> Estimate:
    kept = graph_sizes(checkpoint, spec)
    size = 4 * sum(kept.values()) + _BYTES_PER_TENSOR * len(kept)
    if spec.name == "llm":
        size += tokenizer_bytes(checkpoint)
    return _COST.estimate(checkpoint, spec, size)


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
    refused={
        "precision": "computes in float32: in half precision Apple's runtimes are known to compute "
        "wrong numbers, see docs/coreai.md",
        "compression": "stores float32: fewer bits pass where they were tried, and are not written "
        "yet, see docs/coreai.md",
    },
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
