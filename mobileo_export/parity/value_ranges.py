"""How far the values of a graph reach on real inputs: prompts, timesteps, photographs.

The cases are those that parity compares, so that each component sees what reaches it in use. Every
operation of the float32 graph is watched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import targets
from mobileo_export.artifacts.onnx.folder import (
    EMBEDDINGS,
    EMBEDDINGS_TENSOR,
    DecoderGraph,
    OnnxLanguageModel,
)
from mobileo_export.checkpoint import safetensors_file, tokenizer_files
from mobileo_export.progress import OnCount, ignore
from mobileo_export.runtimes.cached_decoder import CachedLanguageModelSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.cases import Case
    from mobileo_export.runtimes.base import Array
    from mobileo_export.runtimes.onnx.graph import Node, Tensor

Ranges = dict[str, dict[str, float]]  # graph, node: the largest magnitude of its results
_STEPS = 4  # tokens appended to each prompt


def measure(
    checkpoint: Checkpoint,
    spec: ComponentSpec,
    files: Mapping[str, Path],
    weights: Weights,
    target: str,
    layers_per_engine: int | None = None,
    progress: OnCount = ignore,
) -> Ranges:
    """Run every case of ``spec`` through its float32 graphs.

    Args:
        checkpoint: what the graphs were made from; read anew for the components before this one.
        spec: the component.
        files: its graphs by name; of the language model the embedding table lies beside them.
        weights: which of the checkpoint's.
        target: that they are made for.
        layers_per_engine: how the language model was cut.
        progress: called with cases done and in all.

    Raises:
        CheckpointError: the checkpoint lacks a component that gives the inputs.
        BundleError: a graph cannot be executed.
    """
    from mobileo_export.parity.references import References

    cases = [c for c in References(checkpoint, weights).cases(spec.name) if c.changes is None]
    engine = _Watching(files)
    if spec.name == "llm":
        model = _language_model(checkpoint, files, target, layers_per_engine)
        _read(model, engine, cases, progress)
        return engine.ranges
    for done, case in enumerate(cases):
        progress(done, len(cases))
        engine.run(spec.name, case.inputs)
    return engine.ranges


class _Watching:
    """Float32 graphs that remember what they saw; satisfies ``cached_decoder.GraphRunner``."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        from mobileo_export.runtimes.onnx import graph

        self._graphs = {name: graph.load(path) for name, path in files.items()}
        self.ranges: Ranges = {name: {} for name in files}

    def run(self, name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of the graph ``name``."""
        found = self.ranges[name]

        def after(node: Node, given: Sequence[Any], result: Tensor) -> Tensor:
            if result.numel():
                found[node.name] = max(found.get(node.name, 0.0), float(result.abs().max()))
            return result

        return self._graphs[name].run(arrays, after)

    def close(self) -> None:
        """Nothing is held but mapped files."""


def _read(
    model: OnnxLanguageModel,
    engine: _Watching,
    cases: Sequence[Case],
    progress: OnCount,
) -> None:
    """Each prompt, and a few tokens after it."""
    session = CachedLanguageModelSession(model, engine)
    for done, case in enumerate(cases):
        progress(done, len(cases))
        given: dict[str, Any] = dict(case.inputs)
        _, logits = session.prefill(given["input_ids"], given.get("image_features"))
        for _ in range(_STEPS):
            values: Any = logits
            logits = session.step(int(np.argmax(values)))


def _language_model(
    checkpoint: Checkpoint, files: Mapping[str, Path], target: str, layers_per_engine: int | None
) -> OnnxLanguageModel:
    """The graphs as an opened folder, before there is a manifest to open it by."""
    from mobileo_export.components import COMPONENTS
    from mobileo_export.converters import decoder

    spec, model = COMPONENTS["llm"], checkpoint.model
    folder = next(iter(files.values())).parent
    parts = decoder.parts(model.llm.num_hidden_layers, model.mcp.num_layers, layers_per_engine)
    table = safetensors_file.read_header(folder / EMBEDDINGS)[EMBEDDINGS_TENSOR]
    return OnnxLanguageModel(
        folder,
        dict(files),
        tuple(DecoderGraph(p.name, p.stop - p.start, p.stacked, p.last) for p in parts),
        targets.context(model, target),
        model.llm.num_key_value_heads,
        model.llm.head_dim,
        "float32",
        tokenizer_files.special_ids(checkpoint.path).image_token_id,
        table,
        targets.inputs(spec, model, target),
        targets.outputs(spec, model, target),
    )
