"""The session on fakes: results as ONNX Runtime's, every failure clean, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from mobileo_export.artifacts.engine.stamp import Place
from mobileo_export.errors import RuntimeUnavailableError, UsageError
from mobileo_export.runtimes.tensorrt import engine as engines
from mobileo_export.runtimes.tensorrt.cuda_errors import CudaError
from mobileo_export.runtimes.tensorrt.library import Library
from mobileo_export.runtimes.tensorrt.session import EngineSession

from . import fake_tensorrt, graphs
from .fake_cuda import FakeCuda

PROFILE = {"x": ((1, 1, 4), (1, 3, 4), (1, 9, 4)), "count": ((1,), (1,), (1,))}


def opened(
    onnx: Path,
    cuda: FakeCuda,
    behaviour: fake_tensorrt.Behaviour | None = None,
    profile: fake_tensorrt.Profile = PROFILE,
) -> EngineSession:
    where = fake_tensorrt.write_engine(onnx, [profile], cuda)
    library = fake_tensorrt.library(cuda, behaviour)
    return EngineSession(engines.open_engine(where, library, cuda), cuda)


def inputs(length: int, count: int = 7, width: int = 4) -> dict[str, np.ndarray]:
    random = np.random.default_rng(length)
    x = random.standard_normal((1, length, width), dtype=np.float32)
    return {"x": x, "count": np.array([count], np.int32)}


def reference(onnx: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    return onnxruntime.InferenceSession(str(onnx)).run(None, arrays)[0]


def test_results_at_every_length_in_any_order(tmp_path: Path) -> None:
    onnx = graphs.scale(tmp_path / "scale.onnx")
    cuda = FakeCuda()
    session = opened(onnx, cuda)
    for call, length in enumerate((3, 3, 3, 1, 9, 9, 9, 3, 3)):
        arrays = inputs(length, count=call)  # other values each time, or old ones would do
        found = session.run(arrays)
        assert list(found) == ["y"]
        np.testing.assert_array_equal(found["y"], reference(onnx, arrays))
    assert "launch" in cuda.calls  # repeated shapes run as a graph
    assert session.milliseconds > 0
    session.close()
    session.close()
    assert cuda.leaks() == []


def test_results_are_the_callers_own(tmp_path: Path) -> None:
    session = opened(graphs.scale(tmp_path / "scale.onnx"), FakeCuda())
    first = session.run(inputs(3))["y"]
    kept = first.copy()
    session.run(inputs(3, count=100))
    np.testing.assert_array_equal(first, kept)
    session.close()


def test_a_graph_sees_new_values(tmp_path: Path) -> None:
    onnx = graphs.scale(tmp_path / "scale.onnx")
    cuda = FakeCuda()
    session = opened(onnx, cuda)
    for count in range(6):
        arrays = inputs(3, count)
        np.testing.assert_array_equal(session.run(arrays)["y"], reference(onnx, arrays))
    assert cuda.calls.count("launch") == 5  # all but the first
    session.close()


def test_large_tensors_are_copied_and_small_ones_are_not(tmp_path: Path) -> None:
    width = 1 << 16
    onnx = graphs.scale(tmp_path / "scale.onnx", width=width)
    cuda = FakeCuda()
    profile = {"x": ((1, 1, width), (1, 2, width), (1, 2, width)), "count": ((1,), (1,), (1,))}
    session = opened(onnx, cuda, profile=profile)
    arrays = inputs(2, width=width)
    np.testing.assert_array_equal(session.run(arrays)["y"], reference(onnx, arrays))
    assert cuda.calls.count("copy") == 2  # x in, y out; count is read where it lies
    assert session.allocated > 4 * width * 4 * 2
    session.close()
    assert cuda.leaks() == []


def test_half_precision_engines_take_and_give_float32(tmp_path: Path) -> None:
    onnx = graphs.scale(tmp_path / "half.onnx", TensorProto.FLOAT16)
    session = opened(onnx, FakeCuda())
    arrays = inputs(3)
    found = session.run(arrays)["y"]
    assert found.dtype == np.float32
    halves = {**arrays, "x": arrays["x"].astype(np.float16)}
    np.testing.assert_array_equal(found, reference(onnx, halves).astype(np.float32))
    session.close()


@pytest.mark.parametrize("behaviour", ["refuse_capture", "refuse_run_while_capturing"])
def test_what_cannot_be_a_graph_runs_without(tmp_path: Path, behaviour: str) -> None:
    onnx = graphs.scale(tmp_path / "scale.onnx")
    cuda = FakeCuda(refuse_capture=behaviour == "refuse_capture")
    how = fake_tensorrt.Behaviour(refuse_run_while_capturing=behaviour != "refuse_capture")
    session = opened(onnx, cuda, how)
    for count in range(4):
        arrays = inputs(3, count)
        np.testing.assert_array_equal(session.run(arrays)["y"], reference(onnx, arrays))
    assert session.graph_problem
    assert cuda.calls.count("begin_capture") == 1  # not tried again
    session.close()
    assert cuda.leaks() == []


def test_every_allocation_can_fail_and_nothing_leaks(tmp_path: Path) -> None:
    onnx = graphs.scale(tmp_path / "scale.onnx")
    counted = FakeCuda()
    session = opened(onnx, counted)
    before = len(counted.calls)
    for _ in range(3):
        session.run(inputs(3))
    after = len(counted.calls)
    session.close()
    for call in range(after):
        cuda = FakeCuda()
        where = fake_tensorrt.write_engine(onnx, [PROFILE], cuda)
        library = fake_tensorrt.library(cuda)
        cuda.fail_at = call
        made: list[EngineSession] = []

        def use(cuda: FakeCuda, where: Place, library: Library, made: list[EngineSession]) -> None:
            made.append(EngineSession(engines.open_engine(where, library, cuda), cuda))
            for _ in range(3):
                made[0].run(inputs(3))

        with pytest.raises(CudaError, match=r"out of memory, asked for .* MB of .* MB are free"):
            use(cuda, where, library, made)
        assert bool(made) == (call >= before)
        for session in made:
            session.close()
        assert cuda.leaks() == [], f"call {call}: {cuda.calls[-1]}"


def test_too_little_memory_is_named_with_the_component(tmp_path: Path) -> None:
    onnx = graphs.scale(tmp_path / "scale.onnx")
    cuda = FakeCuda(total=5000)
    how = fake_tensorrt.Behaviour(scratch=10_000_000)
    with pytest.raises(CudaError, match=r"^scale: malloc: out of memory, asked for 10.0 MB, 0 MB"):
        opened(onnx, cuda, how)
    assert cuda.leaks() == []


def test_no_context_and_no_run(tmp_path: Path) -> None:
    onnx = graphs.scale(tmp_path / "scale.onnx")
    cuda = FakeCuda()
    with pytest.raises(RuntimeUnavailableError, match=r"scale: TensorRT cannot prepare .*OutOfMem"):
        opened(onnx, cuda, fake_tensorrt.Behaviour(no_context=True))
    assert cuda.leaks() == []
    session = opened(onnx, cuda, fake_tensorrt.Behaviour(refuse_run=True))
    with pytest.raises(RuntimeUnavailableError, match=r"scale: TensorRT refuses to run \(.*Cask"):
        session.run(inputs(3))
    session.close()
    assert cuda.leaks() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": None}, "x: input is missing; this engine takes x, count"),
        ({"z": np.zeros(1, np.float32)}, "z: unknown input; this engine takes x, count"),
        ({"x": np.zeros((1, 10, 4), np.float32)}, r"x: has shape \[1, 10, 4\], the engine takes"),
        ({"x": np.zeros((1, 0, 4), np.float32)}, r"x: has shape \[1, 0, 4\], the engine takes"),
        ({"x": np.zeros((3, 4), np.float32)}, r"x: has shape \[3, 4\]"),
        ({"x": np.zeros((1, 3, 4), np.int32)}, "x: has dtype int32, the engine takes float32"),
        ({"count": np.zeros(1, np.float32)}, "count: has dtype float32, the engine takes int32"),
    ],
)
def test_wrong_inputs_are_refused_and_the_session_goes_on(
    tmp_path: Path, change: dict[str, np.ndarray | None], message: str
) -> None:
    onnx = graphs.scale(tmp_path / "scale.onnx")
    session = opened(onnx, FakeCuda())
    arrays = {name: array for name, array in {**inputs(3), **change}.items() if array is not None}
    with pytest.raises(UsageError, match=message):
        session.run(arrays)
    np.testing.assert_array_equal(session.run(inputs(3))["y"], reference(onnx, inputs(3)))
    session.close()
    with pytest.raises(UsageError, match="closed"):
        session.run(inputs(3))
