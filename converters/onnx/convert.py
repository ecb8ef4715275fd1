"""Convert one component to ONNX graphs, from the checkpoint's tensors to checked files."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import targets
from mobileo_export.artifacts.onnx.folder import EMBEDDINGS, EMBEDDINGS_TENSOR
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import safetensors_file, tokenizer_files
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from mobileo_export.converters.onnx import external_data, half, passes, structure, tracing
from mobileo_export.converters.onnx import precision as precision_plan
from mobileo_export.converters.onnx.graphs import GraphSpec, graphs
from mobileo_export.converters.onnx.precision import Rule
from mobileo_export.processes import debug
from mobileo_export.progress import OnStage, ignore

if TYPE_CHECKING:
    import onnx_ir as ir

    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.components import ComponentSpec, Precision
    from mobileo_export.converters.base import Probe

_TABLE = "model.embed_tokens.weight"
_ROWS = 1 << 14  # of the embedding table copied at a time


@dataclass(frozen=True)
class OnnxResult:
    """What was written.

    Attributes:
        precision: what the graphs compute in.
        options: of the artifact, as the manifest states them.
        graphs: in the order in which they run.
        preview: that of :meth:`ComponentSpec.preview`.
    """

    precision: Precision
    options: dict[str, Any]
    graphs: tuple[manifest.Graph, ...]
    preview: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """As plain data, which the manifest's entry is made of."""
        operations = sum((Counter(graph.operations) for graph in self.graphs), Counter())
        return {
            "precision": self.precision,
            "options": self.options,
            "operations": dict(sorted(operations.items())),
            "graphs": [asdict(graph) for graph in self.graphs],
            "preview": self.preview,
        }


def convert(
    checkpoint: Checkpoint,
    spec: ComponentSpec,
    output: Path,
    target: str,
    *,
    weights: Weights = "released",
    precision: Precision = "float32",
    layers_per_engine: int | None = None,
    written_plan: Mapping[str, Sequence[Rule]] | None = None,
    probe: Probe | None = None,
    progress: OnStage = ignore,
) -> OnnxResult:
    """Write ``spec`` of ``checkpoint`` as ``output``: an ``.onnx``, or the language model's folder.

    Args:
        checkpoint: an open Mobile-O checkpoint.
        spec: the component.
        output: where its form for the target lies in the new bundle (``targets.form``).
        target: whose signatures the graphs have.
        weights: which copy of the tensors.
        precision: what the graphs compute in.
        layers_per_engine: of the language model; None for one graph.
        written_plan: of float16, rules for the graphs that it names instead of those found.
        probe: of float16, measures the largest magnitude of each node's results, by graph, on the
            float32 graphs that it is given the files of; None to go by what the graphs show.
        progress: called with stage, done and total.

    Raises:
        CheckpointError: the component's tensors or the tokenizer are not as they must be.
        ConversionError: a module cannot be exported, or a graph fails its checks.
    """
    model = checkpoint.model
    bundle = output.parent
    precision = spec.precision(precision)
    half_built = precision == "float16"
    planned = graphs(spec, model, target, layers_per_engine, precision if half_built else "float32")
    options: dict[str, Any] = {"opset": tracing.OPSET, "ir_version": tracing.IR_VERSION}
    progress("reading weights", 0, 1)
    try:
        if spec.name == "llm":
            output.mkdir()
            options |= {
                "layers_per_engine": layers_per_engine,
                "context": targets.context(model, target),
            }
            _write_table(checkpoint, output / EMBEDDINGS, weights)
            tokenizer_files.copy(checkpoint.path, output)
        reference = spec.reference(checkpoint, weights)
        preview = spec.preview(reference, model)
        traced = []
        for done, graph in enumerate(planned):
            progress(f"tracing {graph.name}", done, len(planned))
            traced.append(tracing.trace(graph.build(reference), graph))
            passes.run(traced[-1])
        plans: list[tuple[Rule, ...]] = [() for _ in planned]
        if half_built:
            progress("probing", 0, 1)
            plans = _narrow(planned, traced, output, written_plan or {}, probe)
        written = []
        for done, (graph, ready, rules) in enumerate(zip(planned, traced, plans, strict=True)):
            progress(f"writing {graph.name}", done, len(planned))
            external_data.write(ready, bundle / graph.file)
            operations = structure.check(bundle / graph.file, graph)
            written.append(_entry(graph, operations, rules))
    except BaseException:
        if debug.enabled():
            raise
        if spec.name == "llm":
            shutil.rmtree(output, ignore_errors=True)
        for graph in planned:
            for suffix in ("", manifest.EXTERNAL_DATA):
                (bundle / (graph.file + suffix)).unlink(missing_ok=True)
        raise
    return OnnxResult(precision, options, tuple(written), preview)


def _narrow(
    planned: Sequence[GraphSpec],
    traced: Sequence[ir.Model],
    output: Path,
    written: Mapping[str, Sequence[Rule]],
    probe: Probe | None,
) -> list[tuple[Rule, ...]]:
    """Make the graphs float16 in place; the rules by which it was done."""
    ranges: dict[str, dict[str, float]] = {}
    if probe is not None:
        # The graphs are probed in float32, as files, which then give way to the real ones.
        with debug.scratch(".probe-", output.parent) as scratch:
            files = {graph.name: scratch / Path(graph.file).name for graph in planned}
            if (output / EMBEDDINGS).is_file():
                (scratch / EMBEDDINGS).symlink_to((output / EMBEDDINGS).resolve())
            for graph, model in zip(planned, traced, strict=True):
                values = {v.name: v.const_value for v in external_data.ordered(model)}
                external_data.write(model, files[graph.name])
                for value in model.graph.initializers.values():
                    value.const_value = values[value.name]
            ranges = probe(files)
    plans = []
    for graph, model in zip(planned, traced, strict=True):
        rules = precision_plan.plan(model, written.get(graph.name), ranges.get(graph.name))
        # Probed as float32: from here on the boundary is that of the float16 graph.
        half.convert(model, graph, precision_plan.wide(model, rules))
        plans.append(rules)
    return plans


def _entry(graph: GraphSpec, operations: Counter[str], rules: Sequence[Rule]) -> manifest.Graph:
    return manifest.Graph(
        graph.name,
        graph.file,
        tuple(map(manifest.signature, graph.inputs)),
        tuple(map(manifest.signature, graph.outputs)),
        graph.profiles,
        dict(sorted(operations.items())),
        tuple(precision_plan.as_json(rules)),
    )


def _write_table(checkpoint: Checkpoint, path: Path, weights: Weights) -> None:
    """The embedding table as stored in the checkpoint, a block of rows at a time."""
    info = checkpoint.info(_TABLE, weights)
    stored = safetensors_file.raw(info)
    with SafetensorsWriter(path, {EMBEDDINGS_TENSOR: (info.dtype, info.shape)}) as writer:
        width = info.shape[1]
        for start in range(0, info.shape[0], _ROWS):
            rows = stored[start : start + _ROWS]
            writer.write_part(EMBEDDINGS_TENSOR, start * width, rows.reshape(-1))
