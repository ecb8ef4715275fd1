"""Float16 graphs with islands, their emulation, and what a naive one is predicted to do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.converters.onnx import external_data, half, precision, structure
from mobileo_export.converters.onnx.graphs import GraphSpec, graphs
from mobileo_export.errors import BundleError, ConversionError
from mobileo_export.runtimes.onnx.emulated_half import HalfRuntime
from mobileo_export.runtimes.onnx.onnxruntime import OnnxRuntime

SIZES = {"N": 9, "T": 6, "P": 4}
GRAPHS = ("vision_encoder", "dit", "vae_decoder", "projector", "llm")


@pytest.fixture(scope="module")
def specs(tiny_checkpoint: Path) -> dict[str, GraphSpec]:
    model = Checkpoint.open(tiny_checkpoint).model
    every = (graphs(spec, model, "jetson", None, "float16") for spec in COMPONENTS.values())
    return {graph.name: graph for found in every for graph in found}


def build(
    bundle: Path, folder: Path, spec: GraphSpec, rules: Any = None, change: Any = None
) -> Path:
    """The float16 form of a bundle's float32 graph."""
    model = ir.load(bundle / spec.file)
    if change is not None:
        change(model)
    found = precision.plan(model, rules)
    half.convert(model, spec, precision.wide(model, found))
    path = folder / Path(spec.file).name
    external_data.write(model, path)
    return path


def inputs(spec: GraphSpec, seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    arrays: dict[str, Any] = {
        tensor.name: random.standard_normal(tensor.at(**SIZES), dtype=np.float32)
        for tensor in spec.inputs
    }
    if "position_ids" in arrays:
        arrays["position_ids"] = np.arange(4, 10, dtype=np.int32)[None]
        arrays["attention_mask"] = np.triu(np.full((6, 6), -30000, np.float32), 1)[None, None]
        arrays["past_mask"] = np.zeros((1, 1, 1, 4), np.float32)
    if "timestep" in arrays:
        arrays["timestep"] = np.array([749.0], np.float32)
        arrays["encoder_attention_mask"] = np.ones((1, 9), np.float32)
    return arrays


def typed(spec: GraphSpec, arrays: dict[str, Any]) -> dict[str, Any]:
    return {tensor.name: arrays[tensor.name].astype(tensor.dtype) for tensor in spec.inputs}


def error(found: Any, expected: Any) -> float:
    difference = found.astype(np.float64) - expected
    return float(np.linalg.norm(difference) / np.linalg.norm(expected.astype(np.float64)))


@pytest.mark.parametrize("name", GRAPHS)
def test_a_half_graph_is_typed_throughout_and_near(
    tiny_jetson: Path, tmp_path: Path, specs: dict[str, GraphSpec], name: str
) -> None:
    spec = specs[name]
    path = build(tiny_jetson, tmp_path, spec)
    structure.check(path, spec)
    whole = (tiny_jetson / (spec.file + ".data")).stat().st_size
    assert 0.49 < (tmp_path / f"{path.name}.data").stat().st_size / whole < 0.56
    arrays = inputs(spec)
    expected = OnnxRuntime().load_graph(tiny_jetson / spec.file).run(arrays)
    found = HalfRuntime().load_graph(path).run(typed(spec, arrays))
    for tensor in spec.outputs:
        assert found[tensor.name].dtype == tensor.dtype
        assert 1e-5 < error(found[tensor.name], expected[tensor.name]) < 0.01, tensor.name
    OnnxRuntime().load_graph(path).run(typed(spec, arrays))  # its types fit, whatever it computes


@pytest.mark.parametrize("name", ["dit", "llm"])
def test_tensorrt_takes_the_types_as_they_are(
    tiny_jetson: Path, tmp_path: Path, specs: dict[str, GraphSpec], name: str
) -> None:
    trt: Any = pytest.importorskip("tensorrt_rtx")
    path = build(tiny_jetson, tmp_path, specs[name])
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    flag = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flag)
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.INTERNAL_ERROR))
    assert parser.parse_from_file(str(path))
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    products = Counter(
        (layer.get_output(0).dtype.name, layer.name.rpartition("/")[0].rpartition(".")[2])
        for layer in layers
        if layer.type == trt.LayerType.MATRIX_MULTIPLY
    )
    if name == "dit":
        assert products["FLOAT", "attn1"] == 6  # linear attention of three blocks
        assert products["HALF", "to_q"] == 6
        assert products["FLOAT", "to_q"] == 0
    else:
        assert products["FLOAT", "self_attn"] == products["HALF", "self_attn"] == 8
        assert products["HALF", "q_proj"] == 4


def test_a_naive_graph_is_predicted_to_fail(
    tiny_jetson: Path, tmp_path: Path, specs: dict[str, GraphSpec]
) -> None:
    """All float16: where no query meets a key, linear attention divides by a zero epsilon."""
    spec = specs["dit"]
    block = "transformer.transformer_blocks.1.attn1"

    def silence(model: ir.Model) -> None:
        """A key projection that gives nothing above zero."""
        (node,) = [n for n in model.graph if n.name == f"{block}.to_k/MatMul"]
        weight = node.inputs[1]
        assert weight is not None
        zeros = np.zeros(weight.shape.numpy(), np.float32)
        value = ir.Value(
            name="silent",
            shape=weight.shape,
            type=weight.type,
            const_value=ir.tensor(zeros, name="silent"),
        )
        model.graph.register_initializer(value)
        node.replace_input_with(1, value)

    naive = build(tiny_jetson, tmp_path, spec, rules=[], change=silence)
    session = HalfRuntime().load_graph(naive)
    _, overflows = session.trace(inputs(spec))
    assert overflows[0].node == f"{block}/Div"
    with pytest.raises(BundleError, match=f"float16 overflows at {block}/Div"):
        session.run(inputs(spec))
    (tmp_path / "kept").mkdir()
    kept = build(tiny_jetson, tmp_path / "kept", spec, change=silence)
    assert HalfRuntime().load_graph(kept).trace(inputs(spec))[1] == []


def test_an_overflow_is_predicted_and_named(
    tiny_jetson: Path, tmp_path: Path, specs: dict[str, GraphSpec]
) -> None:
    spec = specs["projector"]
    arrays = inputs(spec)
    arrays["image_features"] *= 2e5  # products of hundreds of thousands
    path = build(tiny_jetson, tmp_path, spec)
    _, overflows = HalfRuntime().load_graph(path).trace(arrays)
    assert overflows
    assert overflows[0].largest > 65504
    (tmp_path / "plan").mkdir()
    rules = [precision.Rule("*", "as predicted")]
    wide = build(tiny_jetson, tmp_path / "plan", spec, rules=rules)
    assert HalfRuntime().load_graph(wide).trace(arrays)[1] == []


def test_a_weight_that_half_cannot_hold(
    tiny_jetson: Path, tmp_path: Path, specs: dict[str, GraphSpec]
) -> None:
    def enlarge(model: ir.Model) -> None:
        value = next(v for v in model.graph.initializers.values() if v.const_value.size > 1000)
        array = value.const_value.numpy() * 1e7
        value.const_value = ir.tensor(array.astype(np.float32), name=value.name)

    with pytest.raises(ConversionError, match="has a weight beyond half precision"):
        build(tiny_jetson, tmp_path, specs["projector"], change=enlarge)


def test_the_emulation_computes_what_onnx_runtime_does(
    tiny_jetson: Path, specs: dict[str, GraphSpec]
) -> None:
    """In float32, where both are exact: every operator of every graph."""
    for name, spec in specs.items():
        path = tiny_jetson / spec.file
        arrays = inputs(spec)
        expected = OnnxRuntime().load_graph(path).run(arrays)
        found = HalfRuntime().load_graph(path).run(arrays)
        for output, values in expected.items():
            assert error(found[output], values) < 1e-5, (name, output)


def test_a_damaged_graph(tiny_jetson: Path, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="x.onnx"):
        HalfRuntime().load_graph(tmp_path / "x.onnx")
    (tmp_path / "connector.onnx").write_bytes((tiny_jetson / "connector.onnx").read_bytes())
    with pytest.raises(BundleError, match="connector.onnx"):
        HalfRuntime().load_graph(tmp_path / "connector.onnx")
    (tmp_path / "connector.onnx.data").write_bytes(
        (tiny_jetson / "connector.onnx.data").read_bytes()
    )
    model = onnx.load(tmp_path / "connector.onnx", load_external_data=False)
    model.graph.node[0].op_type = "Unique"
    (tmp_path / "connector.onnx").write_bytes(model.SerializeToString())
    session = HalfRuntime().load_graph(tmp_path / "connector.onnx")
    states = np.zeros((1, 4, 9, 128), np.float32)
    with pytest.raises(BundleError, match="no operator Unique"):
        session.run({"stacked_hidden_states": states})
