"""Memory, streams, graphs and buffers on a real device, if this machine has one.

TensorRT is the fake over ONNX Runtime here too, so that any NVIDIA card will do; what is proven is
that CUDA itself accepts what the runtime asks of it, and in which order things happen there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mobileo_export.runtimes.tensorrt import libcudart, library
from mobileo_export.runtimes.tensorrt.cuda_errors import CudaError
from mobileo_export.runtimes.tensorrt.memory import ZERO_COPY, Memory
from tests.jetson import bundles

from . import decoder_graph, device_cuda, fake_tensorrt, graphs, test_decoder, test_session
from .device_cuda import DeviceCuda

found = device_cuda.find()
pytestmark = pytest.mark.skipif(found is None, reason="no NVIDIA device on this machine")


@pytest.fixture
def cuda() -> Iterator[DeviceCuda]:
    made = DeviceCuda()
    yield made
    made.close()
    assert made.errors == []
    assert made.leaks() == {}


def test_every_function_does_what_it_says(cuda: DeviceCuda) -> None:
    memory = Memory(cuda)
    stream, start, end = memory.stream(), memory.event(), memory.event()
    free, total = cuda.memory()
    assert 0 < free <= total
    device = memory.device(64)
    source, target = memory.buffer(64), memory.buffer(64)
    view = source.view(np.dtype("f4"), (2, 8))
    view[:] = np.arange(16).reshape(2, 8)
    cuda.record(start, stream)
    cuda.fill(device, 0, 64, stream)
    cuda.copy_rows(device, 32, source.device, 32, 8, 2, stream)
    cuda.copy(target.host, device, 64, stream)
    cuda.record(end, stream)
    cuda.synchronize(stream)
    assert cuda.milliseconds(start, end) > 0
    expected = np.zeros((2, 8), "f4")
    expected[:, :2] = view[:, :2]
    np.testing.assert_array_equal(target.view(np.dtype("f4"), (2, 8)), expected)
    cuda.begin_capture(stream)
    cuda.copy(target.host, source.device, 64, stream)
    graph = cuda.end_capture(stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(target.view(np.dtype("f4"), (2, 8)), expected)  # recorded only
    cuda.launch(graph, stream)
    cuda.synchronize(stream)
    np.testing.assert_array_equal(target.view(np.dtype("f4"), (2, 8)), view)
    cuda.destroy_graph(graph)
    memory.close()


@pytest.mark.parametrize("size", [4, ZERO_COPY, ZERO_COPY + 4, 64 << 20])
def test_both_kinds_of_buffer_reach_the_device(cuda: DeviceCuda, size: int) -> None:
    memory = Memory(cuda)
    stream, buffer = memory.stream(), memory.buffer(size)
    assert buffer.staged == (size > ZERO_COPY)
    back = memory.host(size)
    values = np.random.default_rng(0).integers(0, 1 << 30, size // 4, np.int32)
    buffer.view(np.dtype("i4"), (size // 4,))[:] = values
    if buffer.staged:
        cuda.copy(buffer.device, buffer.host, size, stream)
    cuda.copy(back, buffer.device, size, stream)
    cuda.synchronize(stream)
    returned = type(buffer)(back, back, size, staged=False).view(np.dtype("i4"), (size // 4,))
    np.testing.assert_array_equal(returned, values)
    memory.close()


def test_more_memory_than_there_is(cuda: DeviceCuda) -> None:
    with pytest.raises(CudaError, match="out of memory, asked for .* MB are free") as raised:
        cuda.malloc(cuda.memory()[1] * 2)
    assert raised.value.code == 2
    cuda.free(cuda.malloc(1 << 20))  # the failure left nothing broken


def test_results_at_every_length_run_as_graphs(cuda: DeviceCuda, tmp_path: Path) -> None:
    onnx = graphs.scale(tmp_path / "scale.onnx")
    session = test_session.opened(onnx, cuda)  # type: ignore[arg-type]
    for call, length in enumerate((3, 3, 3, 1, 9, 9, 9, 3, 3, 3)):
        arrays = test_session.inputs(length, count=call)
        np.testing.assert_array_equal(
            session.run(arrays)["y"], test_session.reference(onnx, arrays)
        )
    assert session.graph_problem is None
    assert cuda.calls.count("launch") == 6
    assert session.milliseconds > 0
    session.close()


@pytest.mark.parametrize("parts", [1, 2])
def test_a_decoder_beside_the_one_on_the_host(cuda: DeviceCuda, tmp_path: Path, parts: int) -> None:
    device, host = test_decoder.sessions(tmp_path / "b" / "llm", cuda, parts)  # type: ignore[arg-type]
    prompt = test_decoder.ids(7, decoder_graph.IMAGE_TOKEN, 8)
    for _ in range(2):
        for given, expected in zip(
            device.prefill(prompt, test_decoder.FEATURES),
            host.prefill(prompt, test_decoder.FEATURES),
            strict=True,
        ):
            np.testing.assert_array_equal(given, expected)
        for token in range(5):
            np.testing.assert_array_equal(device.step(token), host.step(token))
    assert cuda.calls.count("launch") >= 3 * parts
    device.close()


def test_draws_edits_and_answers_as_onnxruntime_does(
    cuda: DeviceCuda, tiny_jetson: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = shutil.copytree(tiny_jetson, tmp_path / "bundle")
    bundles.engines(bundle, cuda)  # type: ignore[arg-type]
    monkeypatch.setattr(library, "load", lambda: fake_tensorrt.library(cuda))  # type: ignore[arg-type]
    monkeypatch.setattr(libcudart, "load", lambda: cuda)
    photo = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    drawn = {
        runtime: bundles.works(bundle, runtime, photo) for runtime in ("onnxruntime", "tensorrt")
    }
    for expected, given in zip(drawn["onnxruntime"], drawn["tensorrt"], strict=True):
        np.testing.assert_array_equal(given, expected)
    assert cuda.calls.count("launch") > 5
