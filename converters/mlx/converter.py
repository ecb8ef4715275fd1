"""MLX folders, to the rest of the house."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlx.plan import plan
from mobileo_export.bundle.manifest import count_parameters
from mobileo_export.converters.base import (
    TOKENIZER_CODE,
    Converter,
    Estimate,
    tokenizer_bytes,
    tokenizer_digests,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mobileo_export.artifacts.mlx.plan import MLXPlan
    from mobileo_export.bundle.manifest import Artifact
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.converters.base import Request
    from mobileo_export.converters.options import Options

_MEMORY = 150_000_000  # measured at full size: tensors pass through in parts
_BYTES_PER_TENSOR = 170  # in the header and in the index
_BYTES = 1400  # configurations


def _planned(checkpoint: Checkpoint, options: Options) -> MLXPlan:
    return plan(checkpoint.model, options.llm_bits, options.llm_group_size, options.llm_exceptions)


def _estimate(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> Estimate:
    planned = _planned(checkpoint, options)
    beside = _BYTES + _BYTES_PER_TENSOR * len(planned.layout)
    return Estimate(
        bytes=planned.nbytes + tokenizer_bytes(checkpoint) + beside,
        peak_memory=_MEMORY,
        seconds=count_parameters(spec, checkpoint.model) / 4e7,
    )


def _convert(request: Request) -> dict[str, Any]:
    from mobileo_export.converters.mlx.convert import convert

    options = request.options
    written = convert(
        request.checkpoint,
        request.output,
        weights=options.weights,
        bits=options.llm_bits,
        group_size=options.llm_group_size,
        exceptions=options.llm_exceptions,
        progress=lambda done, total: request.report("quantizing", done, total),
    )
    return {"bits_per_weight": written.bits_per_weight}


def _describe(
    stated: Artifact, spec: ComponentSpec, options: Options, result: Mapping[str, Any]
) -> Artifact:
    bits = options.llm_bits
    return replace(
        stated,
        weight_precision="float16" if bits == 16 else f"{bits}-bit",
        compute_precision="float16",
        options={
            "bits": bits,
            "group_size": options.llm_group_size,
            "exceptions": dict(options.llm_exceptions),
            "bits_per_weight": result["bits_per_weight"],
        },
    )


def _concerns(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> dict[str, Any]:
    return {
        "texts": tokenizer_digests(checkpoint),
        "bits": options.llm_bits,
        "group_size": options.llm_group_size,
        "exceptions": dict(options.llm_exceptions),
    }


def _warnings(checkpoint: Checkpoint, options: Options) -> tuple[str, ...]:
    return unquantized_warnings(_planned(checkpoint, options).unquantized, options)


def unquantized_warnings(left: Sequence[str], options: Options) -> tuple[str, ...]:
    """Told of the layers ``left`` float16 although fewer bits were asked for."""
    if not left:
        return ()
    return (
        f"llm: {len(left)} layer(s) stay float16, their inputs are no multiple of the group size "
        f"{options.llm_group_size} ({left[0]}); a smaller --llm-group-size may fit",
    )


CONVERTER = Converter(
    kind="mlx",
    tools=("numpy", "safetensors"),
    options=frozenset({"llm_bits", "llm_group_size", "llm_exceptions"}),
    code=(
        "artifacts/mlx/packed.py",
        "artifacts/mlx/plan.py",
        "converters/mlx",
        "recipe.py",
        *TOKENIZER_CODE,
    ),
    estimate=_estimate,
    convert=_convert,
    describe=_describe,
    concerns=_concerns,
    warnings=_warnings,
)
