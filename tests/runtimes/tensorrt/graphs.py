"""Small ONNX graphs to build engines of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 4


def scale(path: Path, dtype: int = TensorProto.FLOAT, width: int = WIDTH) -> Path:
    """``y = x · w + count`` with x [1, N, width] and an int32 count [1]."""
    numpy_type = helper.tensor_dtype_to_np_dtype(dtype)
    weight = np.arange(1, width + 1).astype(numpy_type)
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["scaled"]),
        helper.make_node("Cast", ["count"], ["added"], to=dtype),
        helper.make_node("Add", ["scaled", "added"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "scale",
        [
            helper.make_tensor_value_info("x", dtype, [1, "N", width]),
            helper.make_tensor_value_info("count", TensorProto.INT32, [1]),
        ],
        [helper.make_tensor_value_info("y", dtype, [1, "N", width])],
        [numpy_helper.from_array(weight, "w")],
    )
    return save(graph, path)


def matmul(path: Path, rows: int = 64) -> Path:
    """``y = relu(x · w)`` with x [1, N, rows], its weights in an external file."""
    random = np.random.default_rng(0)
    weight = random.standard_normal((rows, rows), dtype=np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"], name="product"),
        helper.make_node("Relu", ["product"], ["y"], name="relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "matmul",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "N", rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "N", rows])],
        [numpy_helper.from_array(weight, "w")],
    )
    return save(graph, path, external=True)


def save(graph: onnx.GraphProto, path: Path, *, external: bool = False) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    if external:
        onnx.save(
            model,
            path,
            save_as_external_data=True,
            location=path.name + ".data",
            size_threshold=0,
        )
    else:
        onnx.save(model, path)
    return path
