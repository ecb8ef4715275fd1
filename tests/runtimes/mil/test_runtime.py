"""The evaluator itself: half precision, hooks, states, functions, memory."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mobileo_export.errors import BundleError, UsageError
from mobileo_export.runtimes.base import Session
from mobileo_export.runtimes.mil import Limits, MilRuntime, interpreter

from .export import build, convert, relative_l2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mobileo_export.runtimes.base import Array
    from mobileo_export.runtimes.mil.runtime import MilSession

    Body = Callable[[Any, type], Any]


@pytest.fixture(scope="module")
def mb() -> Any:
    from coremltools.converters.mil import Builder

    return Builder


def test_import_needs_neither_torch_nor_coremltools() -> None:
    code = (
        "import sys, mobileo_export.runtimes.mil;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'coremltools')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_running_does_not_import_coremltools(mb: Any, tmp_path: Path) -> None:
    package = build(lambda x: mb.relu(x=x), {"x": np.ones(3, np.float32)}, tmp_path / "m.mlpackage")
    code = (
        "import sys, numpy as np; from pathlib import Path;"
        "from mobileo_export.runtimes.mil import MilRuntime;"
        "MilRuntime().load(Path(sys.argv[1])).run({'x': np.ones(3, np.float32)});"
        "sys.exit('coremltools' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(package)], check=True)


def test_session_satisfies_the_protocol(mb: Any, tmp_path: Path) -> None:
    package = build(lambda x: mb.relu(x=x), {"x": np.ones(3, np.float32)}, tmp_path / "m.mlpackage")
    assert isinstance(MilRuntime().load(package), Session)


def test_unknown_function(mb: Any, tmp_path: Path) -> None:
    package = build(lambda x: mb.relu(x=x), {"x": np.ones(3, np.float32)}, tmp_path / "m.mlpackage")
    with pytest.raises(UsageError, match=r"no function 'other' \(functions: main\)"):
        MilRuntime().load(package, function="other")


def test_hook_sees_every_operation_in_order(mb: Any, tmp_path: Path) -> None:
    x = np.array([-1.0, 2.0], np.float32)

    def body(x: Any) -> Any:
        return mb.mul(x=mb.relu(x=x, name="a"), y=np.float32(3.0), name="b")

    package = build(body, {"x": x}, tmp_path / "m.mlpackage")
    seen: list[tuple[str, str, list[float]]] = []

    def on_op(op: Any, outputs: Any) -> None:
        for name, value in outputs.items():
            seen.append((op.kind, name, value.tolist()))

    MilRuntime().load(package).run({"x": x}, on_op=on_op)
    assert seen == [("relu", "a", [0.0, 2.0]), ("mul", "b", [0.0, 6.0])]


def test_outputs_do_not_alias_inputs(mb: Any, tmp_path: Path) -> None:
    x = np.ones(3, np.float32)
    package = build(lambda x: mb.identity(x=x, name="out"), {"x": x}, tmp_path / "m.mlpackage")
    result = MilRuntime().load(package).run({"x": x})["out"]
    result[:] = 7
    assert x.tolist() == [1, 1, 1]


class TestHalf:
    """Values that a package declares as half precision."""

    @pytest.fixture
    def both(
        self, mb: Any, tmp_path: Path
    ) -> Callable[[Body, Array], tuple[MilSession, MilSession]]:
        """A graph as it is, and with all of it in half precision."""

        def built(body: Body, x: Array) -> tuple[MilSession, MilSession]:
            def halved(x: Any) -> Any:
                return mb.cast(x=body(mb.cast(x=x, dtype="fp16"), np.float16), dtype="fp32")

            wide = build(lambda x: body(x, np.float32), {"x": x}, tmp_path / "wide.mlpackage")
            narrow = build(halved, {"x": x}, tmp_path / "narrow.mlpackage")
            return MilRuntime().load(wide), MilRuntime().load(narrow)

        return built

    def test_names_the_first_operation_that_overflows(self, mb: Any, both: Any) -> None:
        x = np.full(4, 300.0, np.float32)

        def body(x: Any, dtype: type) -> Any:
            square = mb.square(x=x, name="square")
            return mb.sub(x=mb.mul(x=square, y=dtype(2.0), name="twice"), y=square, name="out")

        exact, half = both(body, x)
        assert next(iter(exact.run({"x": x}).values())).tolist() == [90000.0] * 4
        assert exact.overflow is None
        half.run({"x": x})
        assert half.overflow is not None
        assert half.overflow.output == "square"
        assert "square" in str(half.overflow)
        half.run({"x": x / 300})
        assert half.overflow is None

    def test_rounds_every_result(self, mb: Any, both: Any) -> None:
        x = np.linspace(-3, 3, 64, dtype=np.float32).reshape(4, 16)
        weight = np.random.default_rng(0).normal(size=(8, 16))

        def body(x: Any, dtype: type) -> Any:
            linear = mb.linear(x=mb.gelu(x=x), weight=weight.astype(dtype))
            return mb.softmax(x=linear, axis=-1, name="out")

        exact, half = (next(iter(one.run({"x": x}).values())) for one in both(body, x))
        np.testing.assert_array_equal(half, half.astype(np.float16))
        assert 0 < relative_l2(half, exact) < 5e-3

    def test_sums_that_half_cannot_hold(self, mb: Any, both: Any) -> None:
        """300 products of 1000 are 300,000 in float32 and infinite once stored as half."""
        x = np.full((1, 300), 1000.0, np.float32)

        def body(x: Any, dtype: type) -> Any:
            return mb.mul(x=mb.reduce_sum(x=x, axes=[1], name="sum"), y=dtype(1e-3), name="out")

        exact, half = both(body, x)
        assert next(iter(exact.run({"x": x}).values())).tolist() == [300.0]
        assert np.isinf(next(iter(half.run({"x": x}).values()))).all()
        assert half.overflow is not None
        assert half.overflow.op == "sum"


def scaled(mb: Any, x: Any, width: int, scale: Any) -> Any:
    """``x`` and a weight of 8 bits, all 100, that is expanded by ``scale``."""
    data, scales = np.full((4, width), 100, np.int8), np.full((1, 1), scale)
    weight = mb.constexpr_blockwise_shift_scale(data=data, scale=scales)
    return mb.reduce_sum(x=mb.mul(x=weight, y=x), axes=[1])


def test_small_weights_are_expanded_once(
    mb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large ones in every run, which holds one of them at a time."""
    x = np.ones((4, 1), np.float32)

    def body(x: Any) -> Any:
        small, large = (scaled(mb, x, width, np.float32(0.5)) for width in (1 << 12, 1 << 13))
        return mb.add(x=small, y=large)

    session = MilRuntime().load(build(body, {"x": x}, tmp_path / "p.mlpackage"))
    expanded, step = [], interpreter.Run._step

    def counted(run: Any, one: Any, values: Any) -> Any:
        if one.op.kind.startswith("constexpr_"):
            expanded.append(one.op.outputs[0].type.shape)
        return step(run, one, values)

    monkeypatch.setattr(interpreter.Run, "_step", counted)
    for factor in (1, 2, 3):
        (found,) = session.run({"x": factor * x}).values()
        assert found.tolist() == [factor * 50.0 * 3 * (1 << 12)] * 4
    assert sorted(expanded) == [(4, 1 << 12), *[(4, 1 << 13)] * 3]


def test_every_run_tells_of_a_weight_that_overflows(mb: Any, tmp_path: Path) -> None:
    x = np.ones((4, 1), np.float32)

    def body(x: Any) -> Any:
        x = mb.cast(x=x, dtype="fp16")
        return mb.cast(x=scaled(mb, x, 8, np.float16(1000)), dtype="fp32")

    session = MilRuntime().load(build(body, {"x": x}, tmp_path / "p.mlpackage"))
    for _ in range(2):
        session.run({"x": x})
        assert session.overflow is not None
        assert session.overflow.kind == "constexpr_blockwise_shift_scale"


def test_cond_and_while(mb: Any, tmp_path: Path) -> None:
    def body(x: Any, n: Any) -> Any:
        total, _ = mb.while_loop(
            _cond=lambda value, left: mb.greater(x=left, y=0),
            _body=lambda value, left: (mb.mul(x=value, y=2.0), mb.sub(x=left, y=1)),
            loop_vars=(x, n),
        )
        big = mb.greater(x=mb.reduce_sum(x=total, keep_dims=False), y=100.0)
        return mb.cond(
            pred=big,
            _true_fn=lambda: mb.sub(x=total, y=x),
            _false_fn=lambda: mb.add(x=total, y=x),
            name="out",
        )

    x = np.array([1.0, 2.0], np.float32)
    package = build(body, {"x": x, "n": np.array([3], np.int32)}, tmp_path / "m.mlpackage")
    session = MilRuntime().load(package)
    name = session.signature.outputs[0].name
    for count, expected in ((0, x + x), (3, 8 * x + x), (6, 64 * x - x)):
        result = session.run({"x": x, "n": np.array([count], np.int32)})[name]
        np.testing.assert_array_equal(result, expected)
    bounded = MilRuntime(limits=Limits(loop_iterations=5)).load(package)
    with pytest.raises(BundleError, match="did not end after 5 rounds"):
        bounded.run({"x": x, "n": np.array([6], np.int32)})


class Counter(torch.nn.Module):
    total: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3, dtype=torch.float16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.total.add_(x.half())
        return self.total * 2


def test_state_lives_between_runs(tmp_path: Path) -> None:
    import coremltools as ct

    with torch.no_grad():
        traced = torch.jit.trace(Counter().eval(), torch.ones(3), check_trace=False)
    model = ct.convert(
        traced,
        inputs=[ct.TensorType(name="x", shape=(3,))],
        outputs=[ct.TensorType(name="output", dtype=np.float16)],
        states=[ct.StateType(ct.TensorType(shape=(3,), dtype=np.float16), name="total")],
        minimum_deployment_target=ct.target.iOS18,
        skip_model_load=True,
    )
    model.save(str(tmp_path / "state.mlpackage"))
    session = MilRuntime().load(tmp_path / "state.mlpackage")
    assert [state.name for state in session.signature.states] == ["total"]
    x = {"x": np.array([1, 2, 3], session.signature.inputs[0].dtype)}
    state = session.make_state()
    assert session.run(x, state=state)["output"].tolist() == [2, 4, 6]
    assert session.run(x, state=state)["output"].tolist() == [4, 8, 12]
    assert state.arrays()["total"].tolist() == [2, 4, 6]
    assert session.run(x)["output"].tolist() == [2, 4, 6]


def test_functions_of_one_package(mb: Any, tmp_path: Path) -> None:
    import coremltools as ct

    x = {"x": np.array([2.0], np.float32)}
    double = build(lambda x: mb.mul(x=x, y=2.0, name="out"), x, tmp_path / "a.mlpackage")
    triple = build(lambda x: mb.mul(x=x, y=3.0, name="out"), x, tmp_path / "b.mlpackage")
    both = ct.utils.MultiFunctionDescriptor()
    both.add_function(str(double), "main", "double")
    both.add_function(str(triple), "main", "triple")
    both.default_function_name = "double"
    ct.utils.save_multifunction(both, str(tmp_path / "both.mlpackage"))
    runtime = MilRuntime()
    assert runtime.load(tmp_path / "both.mlpackage").run(x)["out"].tolist() == [4.0]
    session = runtime.load(tmp_path / "both.mlpackage", function="triple")
    assert session.run(x)["out"].tolist() == [6.0]


def test_values_are_freed_after_their_last_use(mb: Any, tmp_path: Path) -> None:
    import weakref

    def body(x: Any) -> Any:
        for _ in range(6):
            x = mb.add(x=mb.exp(x=x), y=1.0)
        return mb.identity(x=x, name="out")

    x = np.zeros(8, np.float32)
    package = build(body, {"x": x}, tmp_path / "m.mlpackage")
    session = MilRuntime().load(package)
    alive: list[Any] = []
    most = 0

    def on_op(op: Any, outputs: Any) -> None:
        nonlocal most
        alive.extend(
            weakref.ref(value.base if value.base is not None else value)
            for value in outputs.values()
        )
        most = max(most, sum(ref() is not None for ref in alive))

    session.run({"x": x}, on_op=on_op)
    assert most <= 2


@pytest.mark.parametrize("half", [False, True])
def test_flexible_convolution(tmp_path: Path, half: bool) -> None:
    import coremltools as ct

    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, padding=1),
        torch.nn.GELU(),
        torch.nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1),
    ).eval()
    side = ct.RangeDim(8, 64, default=16)
    package = convert(
        module,
        {"x": torch.rand(1, 3, 16, 16)},
        tmp_path / "m.mlpackage",
        shapes={"x": ct.Shape((1, 3, side, side))},
        half=half,
    )
    session = MilRuntime().load(package)
    for height, width in ((8, 8), (10, 64)):
        x = torch.rand(1, 3, height, width)
        with torch.no_grad():
            expected = module(x).numpy()
        actual = session.run({"x": x.numpy().astype(session.signature.inputs[0].dtype)})["output"]
        assert relative_l2(actual, expected) < (2e-3 if half else 1e-6)


def test_blocks_have_constants_of_their_own(mb: Any, tmp_path: Path) -> None:
    """Sibling blocks may use one name for different constants."""
    from mobileo_export.artifacts.mlpackage.schema import model_pb2

    def body(x: Any) -> Any:
        return mb.cond(
            pred=mb.greater(x=mb.reduce_sum(x=x, keep_dims=False), y=0.0),
            _true_fn=lambda: mb.add(x=x, y=np.float32(10.0)),
            _false_fn=lambda: mb.add(x=x, y=np.float32(20.0)),
        )

    x = np.array([1.0], np.float32)
    package = build(body, {"x": x}, tmp_path / "m.mlpackage")
    path = package / "Data/com.apple.CoreML/model.mlmodel"
    model = model_pb2().Model()
    model.ParseFromString(path.read_bytes())
    function = model.mlProgram.functions["main"]
    ops = function.block_specializations[function.opset].operations
    for block in next(op for op in ops if op.type == "cond").blocks:
        constant, add = block.operations
        constant.outputs[0].name = add.inputs["y"].arguments[0].name = "same"
    path.write_bytes(model.SerializeToString())

    session = MilRuntime().load(package)
    name = session.signature.outputs[0].name
    assert session.run({"x": x})[name].tolist() == [11.0]
    assert session.run({"x": -x})[name].tolist() == [19.0]
