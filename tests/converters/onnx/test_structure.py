"""A graph that is not what its signature says never reaches a bundle."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import onnx
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.converters.onnx import structure
from mobileo_export.converters.onnx.graphs import GraphSpec, graphs
from mobileo_export.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def spec(tiny_checkpoint: Path) -> GraphSpec:
    (found,) = graphs(COMPONENTS["mcp"], Checkpoint.open(tiny_checkpoint).model, "jetson")
    return found


@pytest.fixture
def path(tiny_jetson: Path, tmp_path: Path) -> Path:
    for name in ("connector.onnx", "connector.onnx.data"):
        shutil.copyfile(tiny_jetson / name, tmp_path / name)
    return tmp_path / "connector.onnx"


def change(path: Path, how: Callable[[Any], None]) -> None:
    model = onnx.load(path, load_external_data=False)
    how(model)
    path.write_bytes(model.SerializeToString())


def test_a_written_graph_passes(path: Path, spec: GraphSpec) -> None:
    counts = structure.check(path, spec)
    assert counts["MatMul"] == 6
    assert counts.total() == len(onnx.load(path, load_external_data=False).graph.node)


def rename_input(model: Any) -> None:
    model.graph.input[0].name = "states"


def rename_output(model: Any) -> None:
    model.graph.output[0].name = "x"


def widen(model: Any) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


def fix(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 77


def rename_dimension(model: Any) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "M"


def newer(model: Any) -> None:
    model.opset_import[0].version = 23


def attention(model: Any) -> None:
    model.graph.node[0].op_type = "Attention"


def unknown_input(model: Any) -> None:
    model.graph.node[3].input[0] = "nothing"


def elsewhere(model: Any) -> None:
    entry = next(t for t in model.graph.initializer if t.external_data).external_data
    next(item for item in entry if item.key == "location").value = "../weights.bin"


def beyond(model: Any) -> None:
    entry = [t for t in model.graph.initializer if t.external_data][-1].external_data
    next(item for item in entry if item.key == "length").value = str(1 << 40)


def overlapping(model: Any) -> None:
    entry = [t for t in model.graph.initializer if t.external_data][-1].external_data
    next(item for item in entry if item.key == "offset").value = "0"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (rename_input, "inputs are ['states']"),
        (rename_output, "outputs are ['x']"),
        (widen, "stacked_hidden_states is not float32"),
        (fix, "expected [1, 4, 'N', 128]"),
        (rename_dimension, "conditioning is [1, 'M', 192]"),
        (newer, "opset are (10, [('', 23)])"),
        (attention, "Attention is no operator"),
        (unknown_input, "the ONNX checker says"),
        (elsewhere, "weights lie in ../weights.bin"),
        (beyond, "weights end at"),
        (overlapping, "overlaps another weight"),
    ],
)
def test_anything_else_is_refused(
    path: Path, spec: GraphSpec, how: Callable[[Any], None], reason: str
) -> None:
    change(path, how)
    with pytest.raises(ConversionError, match="mcp: the converted graph is not usable") as raised:
        structure.check(path, spec)
    assert reason in str(raised.value)


def test_weights_cut_short_are_refused(path: Path, spec: GraphSpec) -> None:
    data = path.with_name(path.name + ".data")
    data.write_bytes(data.read_bytes()[:-64])
    with pytest.raises(ConversionError, match="weights end at"):
        structure.check(path, spec)
