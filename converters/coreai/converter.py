"""Core AI assets, to the rest of the house."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.aimodel import wheels
from mobileo_export.bundle import manifest
from mobileo_export.compression.plan import EXACT, EXACTLY, NONE
from mobileo_export.compression.storage import misfits
from mobileo_export.converters.base import (
    TOKENIZER_CODE,
    Converter,
    Estimate,
    TracingCost,
    graph_sizes,
    tokenizer_bytes,
    tokenizer_digests,
)
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.compression.plan import CompressionPlan
    from mobileo_export.converters.base import Request
    from mobileo_export.converters.options import Options

LANGUAGE_MODEL = "llm"
# Measured at 0.5B: the program holds the weights once until it is written. The graph's bytes a
# tensor of the component.
_COST = TracingCost(580_000_000, 1.15, 1.5e7)
_BYTES_PER_TENSOR = 400
_BYTES_PER_MATRIX = 500  # its expansion, and its line in the table


def _estimate(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> Estimate:
    kept, plan = graph_sizes(checkpoint, spec), options.compression
    schemes = plan.schemes(spec, checkpoint.model)
    size = sum(32 * size for size in kept.values())
    for scheme, shape in schemes.values():
        size -= 0 if scheme == EXACT else 32 * math.prod(shape) - scheme.stored_bits(shape)
    size = size // 8 + _BYTES_PER_TENSOR * len(kept) + _BYTES_PER_MATRIX * len(schemes)
    if spec.name == LANGUAGE_MODEL:
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
        compression=options.compression,
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
        options={**options.compression.options(spec.name), **result["options"]},
        operations=result["operations"],
        graphs=tuple(manifest.Graph(**graph) for graph in result["graphs"]),
        compression_map=result["compression_map"],
    )


def _concerns(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> dict[str, Any]:
    return {"texts": tokenizer_digests(checkpoint), **options.compression.options(spec.name)}


def _warnings(checkpoint: Checkpoint, options: Options) -> tuple[str, ...]:
    plan, lines = options.compression, []
    for spec in options.components:
        if spec.name == LANGUAGE_MODEL and plan.rules:
            lines.append(
                "llm: stays float32; what is stored in fewer bits are the others' matrices"
            )
        elif line := misfits(plan, spec, checkpoint.model, bits=32):
            lines.append(line)
    return tuple(lines)


def _check(checkpoint: Checkpoint, specs: tuple[ComponentSpec, ...], options: Options) -> None:
    wheels.require("exporting for Core AI", wheels.VERSIONS)
    plan = options.compression
    if not plan.plain:
        _require_forms(plan)
        plan.check(checkpoint.model)


def _require_forms(plan: CompressionPlan) -> None:
    """Refuse what Core AI has no form for.

    Raises:
        UsageError: names it.
    """
    where = f"compression plan {plan.name}"
    if plan.language_model is not None:
        raise UsageError(f"{where}: llm: stays float32 for Core AI; leave it out of the plan")
    if plan == EXACTLY:
        raise UsageError(
            f"--compression {plan.name}: Core AI widens halves as it compiles, which saves "
            f"nothing; name {NONE.name}, w8, small or a plan"
        )
    if plan.rounded is not None:
        raise UsageError(
            f"{where}: its matrices were rounded for Core ML packages; run compress-plan without "
            "--calibrate"
        )
    for component, rules in plan.rules.items():
        for pattern, scheme in rules.items():
            if scheme.form == "half" or (scheme.form, scheme.bits) == ("palette", 3):
                raise UsageError(
                    f"{where}: {component}: {pattern!r}: Core AI has no form for {scheme}; there "
                    "are int8, int4, palettes of 8, 6, 4, 2 and 1 bits, and exact, which is float32"
                )


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
    },
    # Of the language model nothing was tried.
    options_beside=frozenset({"compression"}),
    libraries=("torch",),
    code=(
        "artifacts/aimodel",
        "compression",
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
    warnings=_warnings,
)
