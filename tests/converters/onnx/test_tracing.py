"""Nothing that a module computes is lost on the way: what torch's own optimizer would drop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from mobileo_export.components import Dim, TensorSpec
from mobileo_export.converters.onnx import external_data, passes, tracing
from mobileo_export.converters.onnx.graphs import GraphSpec
from mobileo_export.errors import ConversionError
from mobileo_export.runtimes.onnx.onnxruntime import OnnxRuntime

ROWS = Dim("B", 1, 2, 1)


class Quotient(torch.nn.Module):
    """A linear attention's division, and factors near one and offsets near zero."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x / (y + 1e-15) * 1.000001 + (x - 1e-9)


class Refusing(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x if float(y.sum()) > 0 else y  # a branch on a value


def spec() -> GraphSpec:
    inputs = tuple(TensorSpec(name, (ROWS, 3), name) for name in "xy")
    return GraphSpec(
        "quotient", "q.onnx", inputs, (TensorSpec("z", (ROWS, 3), "z"),), {}, lambda module: module
    )


def test_small_constants_stay(tmp_path: Path) -> None:
    model = tracing.trace(Quotient(), spec())
    passes.run(model)
    external_data.write(model, tmp_path / "q.onnx")
    session = OnnxRuntime().load(tmp_path / "q.onnx")
    for rows in (1, 2):
        x, y = np.zeros((rows, 3), np.float32), np.zeros((rows, 3), np.float32)
        x[0] = 1e-12, 0, 2
        expected = Quotient()(torch.from_numpy(x), torch.from_numpy(y)).numpy()
        assert np.array_equal(session.run({"x": x, "y": y})["z"], expected)
        assert np.isfinite(expected).all()


def test_the_linear_attention_keeps_its_epsilon(tiny_jetson: Path) -> None:
    for name, divisions in (("transformer.onnx", 3), ("vae_decoder.onnx", 2)):
        graph = onnx.load(tiny_jetson / name, load_external_data=False).graph
        values = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer if t.raw_data}
        epsilons = [
            node
            for node in graph.node
            if node.op_type == "Add"
            and any(
                n in values and values[n].size == 1 and values[n] == np.float32(1e-15)
                for n in node.input
            )
        ]
        assert len(epsilons) == divisions, name


def test_what_torch_cannot_export_is_named() -> None:
    with pytest.raises(ConversionError, match="quotient: torch .* could not export it to ONNX"):
        tracing.trace(Refusing(), spec())
