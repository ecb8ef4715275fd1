"""Graphs as they are written: equal bytes, nothing of the machine, weights once, as multiplied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.converters.onnx import external_data, passes, precision, structure, tracing
from mobileo_export.converters.onnx.convert import convert
from mobileo_export.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


@pytest.fixture(scope="module")
def entries(tiny_jetson: Path) -> dict[str, Any]:
    components: dict[str, Any] = manifest.read(tiny_jetson)["components"]
    return components


def test_the_same_bytes_again(checkpoint: Checkpoint, tiny_jetson: Path, tmp_path: Path) -> None:
    convert(checkpoint, COMPONENTS["mcp"], tmp_path / "connector.onnx", "jetson")
    for name in ("connector.onnx", "connector.onnx.data"):
        assert (tmp_path / name).read_bytes() == (tiny_jetson / name).read_bytes()


def test_nothing_of_the_machine_is_written(tiny_jetson: Path) -> None:
    for path in tiny_jetson.rglob("*.onnx"):
        content = path.read_bytes()
        for trace in (b".py", b"pkg.torch", b"aten.", b"site-packages"):
            assert trace not in content, (path, trace)
        model = onnx.load(path, load_external_data=False)
        assert model.producer_name == "mobileo-export"
        assert not model.metadata_props
        assert not model.functions


def test_nodes_are_named_after_modules(tiny_jetson: Path) -> None:
    model = onnx.load(tiny_jetson / "llm" / "llm.onnx", load_external_data=False)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert {"layers.0.self_attn.q_proj/MatMul", "layers.3.self_attn/Softmax"} <= set(names)


def test_weights_are_stored_once_and_as_they_are_multiplied(
    checkpoint: Checkpoint, tiny_jetson: Path
) -> None:
    for path in tiny_jetson.rglob("*.onnx"):
        model = onnx.load(path, load_external_data=False)
        constants = {tensor.name for tensor in model.graph.initializer}
        for node in model.graph.node:
            assert node.op_type != "Transpose" or node.input[0] not in constants, node.name
    model = ir.load(tiny_jetson / "connector.onnx")
    stored = [v.const_value.numpy() for v in model.graph.initializers.values() if v.const_value]
    name = "model.diffusion_connector.fusion.output_proj.0.weight"
    weight = checkpoint.read(name, "released")
    assert sum(v.shape == weight.T.shape and np.array_equal(v, weight.T) for v in stored) == 1


def test_the_manifest_says_what_the_files_hold(tiny_jetson: Path, entries: dict[str, Any]) -> None:
    listed = {f["path"] for f in manifest.read(tiny_jetson)["files"]}
    for name, entry in entries.items():
        (artifact,) = entry["artifacts"]
        assert artifact["target"] == "jetson"
        assert artifact["options"]["opset"] == 18
        assert artifact["options"]["ir_version"] == 10
        for graph in artifact["graphs"]:
            assert {graph["path"], graph["path"] + ".data"} <= listed
            model = onnx.load(tiny_jetson / graph["path"], load_external_data=False)
            assert [value.name for value in model.graph.input] == [
                t["name"] for t in graph["inputs"]
            ]
            assert sum(graph["operations"].values()) == len(model.graph.node)
            for profile in graph["profiles"].values():
                dims = {
                    d["name"]: d for t in graph["inputs"] for d in t["shape"] if isinstance(d, dict)
                }
                assert profile.keys() == dims.keys(), (name, graph["name"])
                for dim, (low, typical, high) in profile.items():
                    assert dims[dim]["min"] <= low <= typical <= high <= dims[dim]["max"]


def test_the_language_model_has_two_profiles(entries: dict[str, Any]) -> None:
    graphs = {g["name"]: g for g in entries["llm"]["artifacts"][0]["graphs"]}
    context = entries["llm"]["artifacts"][0]["options"]["context"]
    assert graphs["llm"]["profiles"] == {
        "prefill": {"T": [1, 320, context], "P": [1, 1, 1]},
        "decode": {"T": [1, 1, 1], "P": [context, context, context]},
    }
    assert entries["llm"]["inputs"][0]["shape"][1]["max"] == context
    assert entries["dit"]["inputs"][0]["shape"][0]["max"] == 2


def test_the_embedding_table_is_the_checkpoints(checkpoint: Checkpoint, tiny_jetson: Path) -> None:
    stored = safetensors_file.read_header(tiny_jetson / "llm" / "embed_tokens.safetensors")
    (info,) = stored.values()
    original = checkpoint.info("model.embed_tokens.weight", "released")
    assert (info.dtype, info.shape) == (original.dtype, original.shape)
    assert np.array_equal(safetensors_file.raw(info), safetensors_file.raw(original))


def test_a_language_model_in_half_and_in_parts(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Keys and values are float16 at the boundary, all else float32; the probe's ranges count."""
    asked: list[set[str]] = []

    def probe(files: Mapping[str, Path]) -> dict[str, dict[str, float]]:
        asked.append(set(files))
        assert all(onnx.load(path, load_external_data=False).graph.node for path in files.values())
        return {"llm_1": {"layers.0.mlp.down_proj/MatMul": 20000.0}}

    result = convert(
        checkpoint,
        COMPONENTS["llm"],
        tmp_path / "llm",
        "jetson",
        precision="float16",
        layers_per_engine=3,
        probe=probe,
    )
    graphs = {graph.name: graph for graph in result.graphs}
    assert asked == [{"projector", "llm_0", "llm_1"}] == [set(graphs)]
    assert (result.precision, result.options["layers_per_engine"]) == ("float16", 3)
    for graph in graphs.values():
        for tensor in (*graph.inputs, *graph.outputs):
            cached = tensor["name"] in {"past_keys", "past_values", "keys", "values"}
            integer = tensor["name"] == "position_ids"
            assert tensor["dtype"] == ("float16" if cached else "int32" if integer else "float32")
    assert [t["shape"][0] for t in graphs["llm_1"].inputs if t["name"] == "past_keys"] == [1]
    measured = [r for r in graphs["llm_1"].precision if r["reason"] == precision.RANGE]
    assert [(r["nodes"], r["largest"]) for r in measured] == [
        ("layers.0.mlp.down_proj/MatMul", 20000.0)
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"llm"}  # nothing of the probe is left


@pytest.mark.parametrize("component", ["mcp", "llm"])
def test_a_refused_graph_leaves_nothing_behind(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, component: str
) -> None:
    def refuse(*_: object) -> None:
        raise ConversionError("no")

    # Any graph: what is left of the files is the question, and tracing a language model takes long.
    monkeypatch.setattr(tracing, "trace", lambda *_: small(np.ones((3, 2), np.float32)))
    monkeypatch.setattr(structure, "check", refuse)
    path = tmp_path / ("llm" if component == "llm" else "connector.onnx")
    with pytest.raises(ConversionError, match="^no$"):
        convert(checkpoint, COMPONENTS[component], path, "jetson")
    assert list(tmp_path.iterdir()) == []


def small(array: np.ndarray[Any, Any]) -> ir.Model:
    """x @ transposed(w), and a weight that nothing uses."""
    x = ir.Value(
        name="x", shape=ir.Shape(("N", array.shape[1])), type=ir.TensorType(ir.DataType.FLOAT)
    )
    w, spare = (
        ir.Value(
            name=name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(ir.DataType.FLOAT),
            const_value=ir.tensor(array, name=name),
        )
        for name in ("w", "spare")
    )
    turn = ir.node("Transpose", [w], {"perm": [1, 0]})
    product = ir.node("MatMul", [x, turn.outputs[0]])
    y = product.outputs[0]
    y.name, y.dtype, y.shape = "y", ir.DataType.FLOAT, ir.Shape(("N", array.shape[0]))
    graph = ir.Graph(
        [x], [y], nodes=[turn, product], initializers=[spare, w], opset_imports={"": 18}
    )
    return ir.Model(graph, ir_version=10)


def test_a_transposed_weight_is_folded_and_an_unused_one_dropped(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((3000, 1500), dtype=np.float32)
    model = small(array)
    passes.run(model)
    external_data.write(model, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx.data").stat().st_size == array.nbytes
    read = onnx.load(tmp_path / "m.onnx")
    assert [node.op_type for node in read.graph.node] == ["MatMul"]
    (tensor,) = read.graph.initializer
    assert np.array_equal(onnx.numpy_helper.to_array(tensor), array.T)
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
