"""What TensorRT-RTX, which works without a GPU, makes of the graphs: parser, types, engines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import onnx
import pytest
from onnx import TensorProto, helper

from mobileo_export.bundle import manifest

from .files import FILES

if TYPE_CHECKING:
    from pathlib import Path

trt: Any = pytest.importorskip(
    "tensorrt_rtx", reason="pip install tensorrt-rtx-cu12 to parse what is exported"
)


@pytest.fixture(scope="module")
def builder() -> Any:
    return trt.Builder(trt.Logger(trt.Logger.ERROR))


def parse(builder: Any, path: Path) -> tuple[Any, list[str]]:
    """The strongly typed network of a graph, and what the parser has against it."""
    flag = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flag)
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.INTERNAL_ERROR))
    parser.parse_from_file(str(path))
    return network, [parser.get_error(i).desc() for i in range(parser.num_errors)]


def types(network: Any) -> Counter[str]:
    """How many layers give floats of each type."""
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    found = Counter(layer.get_output(0).dtype.name for layer in layers)
    return Counter({name: n for name, n in found.items() if not name.startswith(("INT", "BOOL"))})


@pytest.mark.parametrize("file", FILES)
def test_every_graph_is_parsed_in_float32(builder: Any, tiny_jetson: Path, file: str) -> None:
    network, errors = parse(builder, tiny_jetson / file)
    assert errors == []
    assert types(network).keys() == {"FLOAT"}
    graphs = {
        graph["path"]: graph
        for entry in manifest.read(tiny_jetson)["components"].values()
        for graph in entry["artifacts"][0]["graphs"]
    }
    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    for tensor, stated in zip(inputs, graphs[file]["inputs"], strict=True):
        shape = [-1 if isinstance(dim, dict) else dim for dim in stated["shape"]]
        assert (tensor.name, list(tensor.shape)) == (stated["name"], shape)


def test_an_operator_that_it_lacks_is_reported(builder: Any, tmp_path: Path) -> None:
    """So that an empty list of errors says something."""
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (("x", [2, 2]), ("y", []))
    )
    graph = helper.make_graph([helper.make_node("Det", ["x"], ["y"], name="d")], "g", [x], [y])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10),
        tmp_path / "det.onnx",
    )
    assert parse(builder, tmp_path / "det.onnx")[1] != []


@pytest.mark.parametrize("file", ["connector.onnx", "llm/llm.onnx"])
def test_an_engine_is_built_from_the_manifests_profiles(
    builder: Any, tiny_jetson: Path, file: str
) -> None:
    network, _ = parse(builder, tiny_jetson / file)
    component = "llm" if file.startswith("llm") else "mcp"
    graphs = manifest.read(tiny_jetson)["components"][component]["artifacts"][0]["graphs"]
    (graph,) = [item for item in graphs if item["path"] == file]
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    for bounds in graph["profiles"].values():
        profile = builder.create_optimization_profile()
        for tensor in graph["inputs"]:
            sizes = [
                [
                    bounds[dim["name"]][i] if isinstance(dim, dict) else dim
                    for dim in tensor["shape"]
                ]
                for i in range(3)
            ]
            profile.set_shape(tensor["name"], *sizes)
        assert config.add_optimization_profile(profile) >= 0
    engine = builder.build_serialized_network(network, config)
    assert engine is not None
    assert engine.nbytes > 1000
