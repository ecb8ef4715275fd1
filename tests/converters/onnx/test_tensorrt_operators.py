"""What the boards' TensorRT cannot read is rejected, with the node and the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
import pytest
from onnx import TensorProto, helper

from mobileo_export.converters.onnx.tensorrt_operators import BOARDS, problems

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = BOARDS


def model(*nodes: Any, opset: int = 18, ir: int = 10, dtype: int = TensorProto.FLOAT) -> Any:
    """A graph of ``nodes`` from ``x`` to ``y``, with constants ``axes`` and ``sizes``."""
    x, y = (helper.make_tensor_value_info(name, dtype, [2, 3]) for name in "xy")
    constants = [
        helper.make_tensor(name, TensorProto.INT64, [1], [1]) for name in ("axes", "sizes")
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def node(kind: str, *inputs: str, outputs: tuple[str, ...] = ("y",), **attributes: Any) -> Any:
    return helper.make_node(kind, inputs or ("x",), outputs, name=f"here/{kind}", **attributes)


def test_every_graph_of_a_bundle_can_be_read(tiny_jetson: Path) -> None:
    files = sorted(tiny_jetson.rglob("*.onnx"))
    assert len(files) == 6
    for path in files:
        for board in BOARDS:
            assert list(problems(onnx.load(path, load_external_data=False), board)) == [], path


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (model(node("Attention", "x", "x", "x"), opset=23), "opset 23"),
        (model(node("Attention", "x", "x", "x")), "here/Attention: Attention is no operator"),
        (model(node("RMSNormalization", "x", "x")), "RMSNormalization is no operator"),
        (model(node("Unique")), "Unique is no operator"),
        (model(node("Relu"), opset=8), "opset 8, TensorRT 10.3 reads 9 to 20"),
        (model(node("Relu"), ir=11), "IR version 11"),
        (model(node("Relu", domain="com.microsoft")), "Relu is no operator"),
        (model(node("Resize", "x", "", "sizes", mode="cubic")), "Resize has no mode cubic"),
        (model(node("Unsqueeze", "x", "x")), "the axes of Unsqueeze must be a constant"),
        (model(node("Slice", "x", "sizes", "sizes", "x")), "the axes of Slice must be"),
        (model(node("ReduceMean", "x", "x")), "the axes of ReduceMean must be a constant"),
        (
            model(node("LayerNormalization", "x", "x", outputs=("y", "mean"))),
            "only the first output",
        ),
        (model(node("Relu"), dtype=TensorProto.DOUBLE), "Relu of DOUBLE"),
        (model(node("MatMul", "x", "x"), dtype=TensorProto.BFLOAT16), "MatMul of BFLOAT16"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_named(made: Any, reason: str) -> None:
    found = list(problems(made, OLD))
    assert any(reason in line for line in found), found


def test_a_foreign_domain_is_refused_even_unused() -> None:
    made = model(node("Relu"))
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert list(problems(made, NEW)) == [
        "operators of the domain com.microsoft, which TensorRT 10.16 does not have"
    ]


def test_the_newer_board_reads_more() -> None:
    made = model(node("Relu"), opset=22, ir=12)
    assert list(problems(made, NEW)) == []
    assert len(list(problems(made, OLD))) == 2


def test_constants_may_hold_axes() -> None:
    assert list(problems(model(node("ReduceMean", "x", "axes")), OLD)) == []
