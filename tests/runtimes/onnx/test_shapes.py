"""An ONNX graph followed without computing: the shapes of a run, and a line for damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mobileo_export.bench import graph_cost
from mobileo_export.bench.bundle_cost import BundleCost
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.runtimes.onnx import graph
from mobileo_export.runtimes.onnx.shapes import ShapedGraph
from mobileo_export.runtimes.shapes import ShapedOperation


@pytest.mark.parametrize(("name", "rows", "length"), [("mcp", 1, 8), ("dit", 2, 31)])
def test_shapes_are_those_of_a_run(name: str, rows: int, length: int, tiny_jetson: Path) -> None:
    cost = BundleCost(tiny_jetson)
    path = tiny_jetson / cost.content["components"][name]["artifacts"][0]["path"]
    shapes = {spec.name: spec.at(N=length, B=rows) for spec in cost.inputs(name)}
    ran: dict[str, tuple[int, ...]] = {}

    def after(node: graph.Node, given: object, result: Any) -> Any:
        if len(node.outputs) == 1:  # of several it does not say which
            ran[node.outputs[0]] = tuple(result.shape)
        return result

    graph.load(path).run({key: np.ones(shape, np.float32) for key, shape in shapes.items()}, after)
    seen: dict[str, tuple[int, ...]] = {}

    def observe(op: ShapedOperation) -> None:
        seen.update((value.name, tuple(value.tensor.shape)) for value in op.results)

    outputs = ShapedGraph(path).follow(shapes, observe)
    assert ran.items() <= seen.items()
    assert len(ran) > 20
    assert outputs[0].tensor.shape[0] == rows


@pytest.fixture
def copied(tiny_jetson: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_jetson, tmp_path / "bundle")


def edited(path: Path, change: Callable[[Any], object]) -> None:
    model = onnx.load(str(path), load_external_data=False)
    change(model.graph)
    path.write_bytes(model.SerializeToString())


def foreign(content: Any) -> None:
    content.node[3].op_type = "Frobnicate"


def unfitting(content: Any) -> None:
    node = next(node for node in content.node if node.op_type == "MatMul")
    node.input[0], node.input[1] = node.input[1], node.input[0]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"\xff\x00garbage"), "is no ONNX graph"),
        (lambda path: path.with_name("connector.onnx.data").unlink(), "cannot be read"),
        (lambda path: path.with_name("connector.onnx.data").write_bytes(b"x"), "cannot be read"),
        (lambda path: edited(path, foreign), "has no operator Frobnicate"),
        (lambda path: edited(path, unfitting), "cannot be executed"),
    ],
)
def test_damage_gives_one_line(
    damage: Callable[[Path], object], message: str, copied: Path
) -> None:
    damage(copied / "connector.onnx")
    with pytest.raises(BundleError) as caught:
        BundleCost(copied).call("mcp")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_input_needs_a_shape(tiny_jetson: Path) -> None:
    with pytest.raises(UsageError, match="input stacked_hidden_states has no shape"):
        graph_cost.of_onnx(tiny_jetson / "connector.onnx", {})
