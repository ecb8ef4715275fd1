"""``inspect`` of packages that are not ours: as coremltools writes them for other people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mobileo_export.inspection import describe
from mobileo_export.runtimes.mil import MilRuntime

if TYPE_CHECKING:
    from tests.command import Command

WEIGHTS, BIASES = 16 * 32, 16


class Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(32, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


class Pixels(torch.nn.Module):
    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return picture * 2 - 1


class Counting(torch.nn.Module):
    total: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(1, 4, dtype=torch.float16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.total.add_(x)
        return self.total * 1


def converted(module: torch.nn.Module, example: torch.Tensor, **options: Any) -> Any:
    import coremltools as ct

    traced = torch.jit.trace(module.eval(), example, check_trace=False)
    return ct.convert(traced, convert_to="mlprogram", skip_model_load=True, **options)


def targets(name: str) -> Any:
    import coremltools as ct

    return getattr(ct.target, name)


def linear(target: str, half: bool = False) -> Any:
    import coremltools as ct

    return converted(
        Linear(),
        torch.zeros(2, 32),
        inputs=[ct.TensorType(name="x", shape=(2, 32))],
        minimum_deployment_target=targets(target),
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
    )


def saved(model: Any, path: Path) -> dict[str, Any]:
    model.save(str(path))
    report = describe.inspect(path)
    json.dumps(report, allow_nan=False)
    return report


def compressions() -> dict[str, Callable[[Any], Any]]:
    from coremltools.optimize import coreml as cto

    def config(op: Any) -> Any:
        return cto.OptimizationConfig(global_config=op)

    palette = config(cto.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=0))
    eight = config(cto.OpLinearQuantizerConfig(weight_threshold=0, dtype="int8"))
    four = config(
        cto.OpLinearQuantizerConfig(
            weight_threshold=0, dtype="int4", granularity="per_block", block_size=8
        )
    )
    sparse = config(cto.OpMagnitudePrunerConfig(target_sparsity=0.75, weight_threshold=0))
    return {
        "none": lambda model: model,
        "palette": lambda model: cto.palettize_weights(model, palette),
        "int8": lambda model: cto.linear_quantize_weights(model, eight),
        "int4": lambda model: cto.linear_quantize_weights(model, four),
        "sparse": lambda model: cto.prune_weights(model, sparse),
        "sparse palette": lambda model: cto.palettize_weights(
            cto.prune_weights(model, sparse), palette, joint_compression=True
        ),
    }


@pytest.mark.parametrize(
    ("target", "compression", "form"),
    [
        ("iOS16", "none", "float32"),
        ("iOS17", "palette", "uint4 palette"),
        ("iOS17", "int8", "int8"),
        ("iOS17", "sparse", "float32 sparse"),
        ("iOS18", "palette", "uint4 palette"),
        ("iOS18", "int8", "int8"),
        ("iOS18", "int4", "int4"),
        ("iOS18", "sparse", "float32 sparse"),
        ("iOS18", "sparse palette", "uint4 palette sparse"),
    ],
)
def test_compressed_weights_count_as_what_they_stand_for(
    tmp_path: Path, target: str, compression: str, form: str
) -> None:
    report = saved(compressions()[compression](linear(target)), tmp_path / "x.mlpackage")
    assert report["parameters"] == WEIGHTS + BIASES
    if form == "float32":
        assert report["weights"] == {form: WEIGHTS + BIASES}
    else:
        assert report["weights"] == {form: WEIGHTS, "float32": BIASES}


def test_a_small_tensor_in_the_graph_counts_too(tmp_path: Path) -> None:
    import coremltools as ct

    class Few(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x)

    model = converted(Few(), torch.zeros(1, 4), inputs=[ct.TensorType(name="x", shape=(1, 4))])
    assert saved(model, tmp_path / "x.mlpackage")["parameters"] == 3 * 4 + 3


def test_a_picture_is_said_to_be_one(tmp_path: Path, command: Command) -> None:
    import coremltools as ct

    model = converted(
        Pixels(),
        torch.zeros(1, 3, 8, 12),
        inputs=[ct.ImageType(name="picture", shape=(1, 3, 8, 12))],
        outputs=[ct.TensorType(name="scaled")],
        minimum_deployment_target=targets("iOS17"),
    )
    model.input_description["picture"] = "what to look at"
    report = saved(model, tmp_path / "x.mlpackage")
    (tensor,) = report["inputs"]
    assert tensor["dtype"] in {"float16", "float32"}
    assert (tensor["shape"], tensor["image"]) == ([1, 3, 8, 12], "RGB")
    assert tensor["description"] == "what to look at"
    assert report["outputs"][0]["image"] is None
    assert "as RGB image" in command("inspect", tmp_path / "x.mlpackage").out.replace("\n", " ")


def test_a_picture_of_several_sizes(tmp_path: Path) -> None:
    import coremltools as ct

    def report(shape: Any, name: str) -> dict[str, Any]:
        model = converted(
            Pixels(),
            torch.zeros(1, 3, 8, 8),
            inputs=[ct.ImageType(name="picture", shape=shape, color_layout=ct.colorlayout.BGR)],
            minimum_deployment_target=targets("iOS17"),
        )
        (tensor,) = saved(model, tmp_path / f"{name}.mlpackage")["inputs"]
        assert tensor["image"] == "BGR"
        found: dict[str, Any] = tensor
        return found

    listed = ct.EnumeratedShapes(shapes=[(1, 3, 8, 8), (1, 3, 16, 24)], default=(1, 3, 8, 8))
    assert report(listed, "listed")["shapes"] == [[1, 3, 8, 8], [1, 3, 16, 24]]
    height = ct.RangeDim(lower_bound=4, upper_bound=64, default=8)
    ranged = report(ct.Shape(shape=(1, 3, height, 8)), "ranged")
    assert ranged["shape"] == [1, 3, {"name": "?", "min": 4, "max": 64, "default": 8}, 8]


@pytest.mark.parametrize("target", ["iOS17", "iOS18"])
def test_enumerated_shapes_are_listed(tmp_path: Path, command: Command, target: str) -> None:
    import coremltools as ct

    shapes = ct.EnumeratedShapes(shapes=[(2, 32), (5, 32), (9, 32)], default=(5, 32))
    model = converted(
        Linear(),
        torch.zeros(5, 32),
        inputs=[ct.TensorType(name="x", shape=shapes)],
        minimum_deployment_target=targets(target),
    )
    report = saved(model, tmp_path / "x.mlpackage")
    (tensor,) = report["inputs"]
    assert sorted(tensor["shapes"]) == [[2, 32], [5, 32], [9, 32]]
    assert tensor["shape"] == [{"name": "?", "min": 2, "max": 9, "default": 5}, 32]
    assert "[5, 32] or " in command("inspect", tmp_path / "x.mlpackage").out.replace("\n", " ")


def test_states_are_shown(tmp_path: Path, command: Command) -> None:
    import coremltools as ct

    model = converted(
        Counting(),
        torch.zeros(1, 4, dtype=torch.float16),
        inputs=[ct.TensorType(name="x", shape=(1, 4), dtype=np.float16)],
        outputs=[ct.TensorType(name="sum", dtype=np.float16)],
        states=[
            ct.StateType(wrapped_type=ct.TensorType(shape=(1, 4), dtype=np.float16), name="total")
        ],
        minimum_deployment_target=targets("iOS18"),
    )
    report = saved(model, tmp_path / "x.mlpackage")
    assert [tensor["name"] for tensor in report["inputs"]] == ["x"]
    (state,) = report["states"]
    assert (state["name"], state["dtype"], state["shape"]) == ("total", "float16", [1, 4])
    assert "state" in command("inspect", tmp_path / "x.mlpackage").out


def test_every_function_has_its_signature(tmp_path: Path, command: Command) -> None:
    import coremltools as ct

    for name, rows in (("one", 1), ("many", 9)):
        model = converted(
            Linear(),
            torch.zeros(rows, 32),
            inputs=[ct.TensorType(name="x", shape=(rows, 32))],
            minimum_deployment_target=targets("iOS18"),
            compute_precision=ct.precision.FLOAT32,
        )
        model.save(str(tmp_path / f"{name}.mlpackage"))
    described = ct.utils.MultiFunctionDescriptor()
    for name in ("one", "many"):
        described.add_function(str(tmp_path / f"{name}.mlpackage"), "main", name)
    described.default_function_name = "many"
    path = tmp_path / "both.mlpackage"
    ct.utils.save_multifunction(described, str(path))
    report = describe.inspect(path)
    assert report["functions"] == ["many", "one"]
    assert report["default_function"] == "many"
    assert report["inputs"][0]["shape"] == [9, 32]
    rows_ = {name: found["inputs"][0]["shape"][0] for name, found in report["signatures"].items()}
    assert rows_ == {"one": 1, "many": 9}
    assert report["parameters"] == WEIGHTS + BIASES  # stored once
    shown = command("inspect", path).out
    assert "function many (default)" in shown
    assert "function one" in shown


@pytest.mark.parametrize("half", [False, True])
def test_inspect_and_the_evaluator_say_the_same(tmp_path: Path, half: bool) -> None:
    report = saved(linear("iOS18", half), tmp_path / "x.mlpackage")
    signature = MilRuntime().load(tmp_path / "x.mlpackage").signature
    for side in ("inputs", "states", "outputs"):
        assert [(t["name"], t["dtype"]) for t in report[side]] == [
            (feature.name, feature.dtype) for feature in getattr(signature, side)
        ]
    assert report["outputs"][0]["shape"] == [2, 16]
