"""ONNX graphs, to the rest of the house."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mobileo_export.bundle import manifest
from mobileo_export.converters.base import (
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
    from mobileo_export.converters.onnx.precision import Rule
    from mobileo_export.converters.options import Options

# Measured, and the graph's bytes a tensor of the component.
_COST = TracingCost(700_000_000, 0.2, 1e7)
_BYTES_PER_TENSOR = 900
_EMBEDDINGS = "model.embed_tokens.weight"
# What a float16 graph keeps in float32 is decided by running the reference's own inputs.
_PROBE = (
    "assets/__init__.py",
    "assets/photographs/cat.jpg",
    "assets/photographs/coffee.jpg",
    "parity/cases.py",
    "parity/pictures.py",
    "parity/references.py",
    "parity/value_ranges.py",
    "pipelines/colors.py",
    "pipelines/images.py",
    "pipelines/orientation.py",
    "pipelines/tokens.py",
    "recipe.py",
    "runtimes/base.py",
    "runtimes/language_model.py",
    "runtimes/onnx/graph.py",
    "runtimes/cached_decoder.py",
    "runtimes/onnx/operators.py",
    "runtimes/signature.py",
    "runtimes/torch_reference.py",
)


def _estimate(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> Estimate:
    kept = graph_sizes(checkpoint, spec)
    width = 4 if spec.precision(options.precision) == "float32" else 2
    size = sum(kept.values()) * width + _BYTES_PER_TENSOR * len(kept)
    if _EMBEDDINGS in kept:  # the table keeps the checkpoint's dtype; a tied head is a copy of it
        stored = checkpoint.info(_EMBEDDINGS, options.weights).nbytes
        tied = checkpoint.model.llm.tie_word_embeddings
        size += stored - (0 if tied else width * kept[_EMBEDDINGS])
        size += tokenizer_bytes(checkpoint)
    return _COST.estimate(checkpoint, spec, size)


def _convert(request: Request) -> dict[str, Any]:
    from mobileo_export.converters.onnx.convert import convert

    request.reserve()
    options = request.options
    written = convert(
        request.checkpoint,
        request.spec,
        request.output,
        options.target,
        weights=options.weights,
        precision=options.precision,
        layers_per_engine=options.layers_per_engine,
        written_plan=_written_plan(options),
        probe=request.probe,
        progress=request.report,
    )
    return written.as_json()


def _written_plan(options: Options) -> dict[str, tuple[Rule, ...]]:
    from mobileo_export.converters.onnx.precision import Rule

    return {
        graph: tuple(Rule(entry["nodes"], entry["reason"]) for entry in entries)
        for graph, entries in options.precision_plan.items()
    }


def _describe(
    stated: manifest.Artifact, spec: ComponentSpec, options: Options, result: Mapping[str, Any]
) -> manifest.Artifact:
    return replace(
        stated,
        weight_precision=result["precision"],
        compute_precision=result["precision"],
        options=result["options"],
        operations=result["operations"],
        graphs=tuple(manifest.Graph(**graph) for graph in result["graphs"]),
    )


def _concerns(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> dict[str, Any]:
    return {
        "texts": tokenizer_digests(checkpoint),
        "precision": options.precision,
        "layers_per_engine": options.layers_per_engine,
        "precision_plan": dict(options.precision_plan),
    }


def _check(checkpoint: Checkpoint, specs: tuple[ComponentSpec, ...], options: Options) -> None:
    if options.precision_plan:
        from mobileo_export.converters.onnx import graphs

        names, layers = options.precision_plan, options.layers_per_engine
        graphs.check_named(names, specs, checkpoint.model, options.target, layers)


CONVERTER = Converter(
    kind="onnx",
    tools=(
        "torch",
        "onnx",
        "onnxscript",
        "onnx-ir",
        "transformers",
        "diffusers",
        "timm",
        "numpy",
        "safetensors",
    ),
    libraries=("onnxscript",),
    options=frozenset({"precision", "layers_per_engine", "precision_plan"}),
    code=(
        "artifacts/onnx/folder.py",  # names of the files and tensors that are written
        "converters/decoder.py",
        "converters/onnx",
        "recipe.py",
        "reference",
        *TOKENIZER_CODE,
    ),
    half_code=_PROBE,
    estimate=_estimate,
    convert=_convert,
    describe=_describe,
    concerns=_concerns,
    check=_check,
)
