"""A small graph built here, run, and damaged."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.errors import BundleError, RuntimeUnavailableError, UsageError
from mobileo_export.runtimes.base import Session
from mobileo_export.runtimes.onnx.onnxruntime import OnnxRuntime

if TYPE_CHECKING:
    from pathlib import Path

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
WEIGHT = np.arange(32 * 4, dtype=np.float32).reshape(32, 4)
X = np.random.default_rng(0).standard_normal((1, 3, 32), dtype=np.float32)
SHIFT = np.ones((1, 3, 4), np.float32)


def build(path: Path, external: bool = False, data: str = "weights.bin") -> Path:
    """``y = x @ WEIGHT + shift``, N named."""
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["product"]),
            helper.make_node("Add", ["product", "shift"], ["y"]),
        ],
        "graph",
        [
            helper.make_tensor_value_info("x", float32, [1, "N", 32]),
            helper.make_tensor_value_info("shift", float32, [1, "N", 4]),
        ],
        [helper.make_tensor_value_info("y", float32, [1, "N", 4])],
        [onnx.numpy_helper.from_array(WEIGHT, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path), save_as_external_data=external, location=data, size_threshold=0)
    return path


@pytest.mark.parametrize("external", [False, True])
def test_runs_a_graph(tmp_path: Path, external: bool) -> None:
    path = build(tmp_path / "model.onnx", external)
    assert (tmp_path / "weights.bin").is_file() == external
    session = OnnxRuntime().load(path)
    assert isinstance(session, Session)
    y: Any
    (y,) = session.run({"x": X[..., ::-1], "shift": SHIFT}).values()
    np.testing.assert_allclose(y, X[..., ::-1] @ WEIGHT + SHIFT, rtol=1e-5)
    assert session.run({"x": X[:, :1], "shift": SHIFT[:, :1]})["y"].shape == (1, 1, 4)
    session.close()
    with pytest.raises(UsageError, match="closed"):
        session.run({"x": X, "shift": SHIFT})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": X}, "shift: input is missing; this graph takes x, shift"),
        ({"x": X, "shift": SHIFT, "z": X}, "z: unknown input"),
        ({"x": X.astype(np.float16), "shift": SHIFT}, 'x: has dtype float16.*astype\\("float32"'),
        ({"x": X[0], "shift": SHIFT}, r"x: has shape \[3, 32\], expected \[1, N, 32\]"),
        ({"x": X[..., :31], "shift": SHIFT}, r"x: has shape \[1, 3, 31\]"),
        ({"x": X, "shift": SHIFT[:, :2]}, r"shift: has shape \[1, 2, 4\].*where N is 3"),
        ({"x": X.tolist(), "shift": SHIFT}, "x: is a list"),
    ],
)
def test_refuses_what_the_graph_does_not_declare(
    tmp_path: Path, inputs: dict[str, np.ndarray], message: str
) -> None:
    session = OnnxRuntime().load(build(tmp_path / "model.onnx"))
    with pytest.raises(UsageError, match=message):
        session.run(inputs)


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    path = build(tmp_path / "model.onnx", external=True)
    content, weights = path.read_bytes(), tmp_path / "weights.bin"

    def refused() -> None:
        with pytest.raises(BundleError, match=str(path)) as caught:
            OnnxRuntime().load(path)
        assert len(str(caught.value).splitlines()) == 1

    weights.write_bytes(weights.read_bytes()[:100])
    refused()
    weights.unlink()
    refused()
    for damaged in (b"", b"not protobuf", content[: len(content) // 2]):
        path.write_bytes(damaged)
        refused()
    path.unlink()
    refused()


def test_a_missing_engine_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install '\.\[run\]'"):
        OnnxRuntime().load(build(tmp_path / "model.onnx"))
