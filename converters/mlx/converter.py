"""MLX folders, to the rest of the house."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from math import prod
from typing import TYPE_CHECKING, Any

from mobileo_export import targets
from mobileo_export.artifacts.mlx.plan import plan
from mobileo_export.bundle.manifest import count_parameters
from mobileo_export.compression import affine
from mobileo_export.compression.plan import EXACTLY
from mobileo_export.converters.base import (
    TOKENIZER_CODE,
    Converter,
    Estimate,
    float32_bytes,
    tokenizer_bytes,
    tokenizer_digests,
)
from mobileo_export.errors import UsageError
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mobileo_export.artifacts.mlx.component_plan import FolderPlan
    from mobileo_export.artifacts.mlx.plan import MLXPlan
    from mobileo_export.bundle.manifest import Artifact
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.converters.base import Request
    from mobileo_export.converters.options import Options

LANGUAGE_MODEL = "llm"  # whose folder is FastVLM's; the others' form is our own
_MEMORY = 150_000_000  # measured at full size: tensors pass through in parts
_BYTES_PER_TENSOR = 210  # in the header and in the index
_BYTES = 1400  # configurations
# Of a component: its largest tensor as it is read and as it is laid out, and one being quantized.
_COPIES = 3
# The map of previews is fitted to the decoder in PyTorch: what importing it takes, and for each
# byte of float32 weights, as of packages.
_PREVIEW = ("torch", "diffusers")
_IMPORTED = 650_000_000
_PREVIEW_PER_BYTE = 1.2


def _component(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> FolderPlan:
    return affine.planned(checkpoint.model, spec, options.compression, options.precision)


def _planned(checkpoint: Checkpoint, options: Options) -> MLXPlan:
    return plan(checkpoint.model, options.llm_bits, options.llm_group_size, options.llm_exceptions)


def _estimate(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> Estimate:
    if spec.name != LANGUAGE_MODEL:
        layout = _component(checkpoint, spec, options)
        largest = max(prod(tensor.shape) for tensor in layout.tensors)
        estimate = Estimate(
            bytes=layout.nbytes + _BYTES + _BYTES_PER_TENSOR * len(layout.layout) // 2,
            peak_memory=_MEMORY + 4 * _COPIES * largest,
            seconds=layout.parameters / 4e7,
        )
        if not _fits_preview(spec):
            return estimate
        weights = float32_bytes(checkpoint, spec)
        return replace(
            estimate,
            peak_memory=_IMPORTED + max(estimate.peak_memory, int(_PREVIEW_PER_BYTE * weights)),
            seconds=estimate.seconds + layout.parameters / 1e7,
            imported=_IMPORTED,
            temporary_bytes=weights,
        )
    planned = _planned(checkpoint, options)
    beside = _BYTES + _BYTES_PER_TENSOR * len(planned.layout)
    return Estimate(
        bytes=planned.nbytes + tokenizer_bytes(checkpoint) + beside,
        peak_memory=_MEMORY,
        seconds=count_parameters(spec, checkpoint.model) / 4e7,
    )


def _convert(request: Request) -> dict[str, Any]:
    from mobileo_export.converters.mlx import components
    from mobileo_export.converters.mlx.convert import convert

    options = request.options
    if request.spec.name != LANGUAGE_MODEL:
        layout = _component(request.checkpoint, request.spec, options)
        components.convert(
            request.checkpoint,
            request.spec,
            request.output,
            layout=layout,
            weights=options.weights,
            progress=lambda done, total: request.report("quantizing", done, total),
        )
        return {
            "bits_per_weight": layout.bits_per_weight,
            "fewest_bits": layout.fewest_bits,
            "preview": _preview(request),
        }
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


def _fits_preview(spec: ComponentSpec) -> bool:
    """Whether there is a map of ``spec`` to fit, and what fits it is installed."""
    return spec.previewed and all(find_spec(module) is not None for module in _PREVIEW)


def _preview(request: Request) -> dict[str, Any] | None:
    """The map that a bundle of packages has of the same checkpoint."""
    if not _fits_preview(request.spec):
        return None
    request.report("fitting preview", 0, 1)
    request.reserve()
    module = request.spec.reference(request.checkpoint, request.options.weights)
    return request.spec.preview(module, request.checkpoint.model)


def _describe(
    stated: Artifact, spec: ComponentSpec, options: Options, result: Mapping[str, Any]
) -> Artifact:
    if spec.name != LANGUAGE_MODEL:
        precision = spec.precision(options.precision)
        fewest = result["fewest_bits"]
        return replace(
            stated,
            weight_precision=precision if fewest is None else f"{fewest}-bit",
            compute_precision=precision,
            options={
                **options.compression.options(spec.name),
                "bits_per_weight": result["bits_per_weight"],
            },
        )
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
    if spec.name != LANGUAGE_MODEL:
        return {
            "precision": spec.precision(options.precision),
            **options.compression.options(spec.name),
            **({"preview": _fits_preview(spec)} if spec.previewed else {}),
        }
    return {
        "texts": tokenizer_digests(checkpoint),
        "bits": options.llm_bits,
        "group_size": options.llm_group_size,
        "exceptions": dict(options.llm_exceptions),
    }


def _check(checkpoint: Checkpoint, specs: tuple[ComponentSpec, ...], options: Options) -> None:
    others = [spec for spec in specs if spec.name != LANGUAGE_MODEL]
    if not others:
        return
    if options.compression == EXACTLY:
        raise UsageError(
            f"--compression {EXACTLY.name}: is that of packages; an MLX folder holds what it does "
            "not quantize as it computes with it: choose none, w8, small or a plan"
        )
    options.compression.check(checkpoint.model)
    for spec in others:
        affine.check(options.compression, spec, checkpoint.model)


def _warnings(checkpoint: Checkpoint, options: Options) -> tuple[str, ...]:
    lines: list[str] = []
    for spec in options.components:
        if targets.form(spec, options.target).kind != CONVERTER.kind:
            continue
        if spec.name == LANGUAGE_MODEL:
            lines += unquantized_warnings(_planned(checkpoint, options).unquantized, options)
            continue
        lines += affine.told(options.compression, spec, checkpoint.model)
        left = _component(checkpoint, spec, options).unquantized
        if left:
            lines.append(
                f"{spec.name}: {len(left)} matrices are not quantized, their rows are no multiple "
                f"of the group size ({left[0]}); a plan with smaller blocks may fit"
            )
        if spec.previewed and not _fits_preview(spec):
            lines.append(
                f"{spec.name}: the bundle has no map of colors for previews, which PyTorch fits; "
                f"for one install {extras.lacks(_PREVIEW)}"
            )
    return tuple(lines)


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
    options_beside=frozenset({"precision", "compression"}),
    code=(
        "artifacts/mlx",
        "compression",
        "converters/mlx",
        "recipe.py",
        "reference/loading.py",
        "reference/preview.py",
        "reference/timm_names.py",
        "reference/vae_decoder.py",
        *TOKENIZER_CODE,
    ),
    estimate=_estimate,
    convert=_convert,
    describe=_describe,
    concerns=_concerns,
    check=_check,
    warnings=_warnings,
)
