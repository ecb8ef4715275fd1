"""The ctypes binding against a library with the same functions, and against the real one."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mobileo_export.errors import RuntimeUnavailableError
from mobileo_export.runtimes.tensorrt import libcudart
from mobileo_export.runtimes.tensorrt.cuda_errors import CudaError, failure
from mobileo_export.runtimes.tensorrt.memory import Memory


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("stub") / "libcudart.so.12"
    source = Path(__file__).with_name("libcudart_stub.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, source], check=True)
    return ctypes.CDLL(str(path))


@pytest.fixture
def cuda(stub: ctypes.CDLL) -> libcudart.Cuda:
    stub.stub_fail(-1, 0)
    stub.stub_devices(1)
    return libcudart.Cuda(stub)


def test_every_function_is_called_as_it_is_declared(
    cuda: libcudart.Cuda, stub: ctypes.CDLL
) -> None:
    assert cuda.version() == "12.6"
    assert cuda.compute_capability() == (8, 7)
    assert cuda.memory() == (10**9, 8 << 30)
    stream, event = cuda.stream(), cuda.event()
    memory = Memory(cuda)
    host = memory.buffer(64)
    assert cuda.device_address(host.host) == host.host
    source = host.view(np.dtype("f4"), (2, 8))
    source[:] = np.arange(16).reshape(2, 8)
    device = memory.device(64)
    cuda.fill(device, 0, 64, stream)
    cuda.copy_rows(device, 32, host.device, 32, 8, 2, stream)  # two numbers of each row
    target = memory.buffer(64)
    cuda.copy(target.host, device, 64, stream)
    cuda.record(event, stream)
    stub.stub_last_stream.restype = ctypes.c_void_p
    assert stub.stub_last_stream() == stream == 0x1234567890ABCDEF  # not cut to 32 bits
    cuda.synchronize(stream)
    assert cuda.milliseconds(event, event) == 1.5
    expected = np.zeros((2, 8), "f4")
    expected[:, :2] = source[:, :2]
    np.testing.assert_array_equal(target.view(np.dtype("f4"), (2, 8)), expected)
    cuda.begin_capture(stream)
    graph = cuda.end_capture(stream)
    cuda.launch(graph, stream)
    assert stub.stub_launched() == 1
    cuda.destroy_graph(graph)
    memory.close()
    cuda.destroy_event(event)
    cuda.destroy_stream(stream)


def test_out_of_memory_has_figures(cuda: libcudart.Cuda) -> None:
    message = r"cudaMalloc: out of memory, asked for 6,442.5 MB, 1,000 MB of 8,590 MB are free"
    with pytest.raises(CudaError, match=message) as raised:
        cuda.malloc(6 << 30)
    assert raised.value.code == 2
    assert "36.4.7" not in str(raised.value)  # that fault refuses what is free


def test_the_known_fault_is_named_where_it_shows() -> None:
    text = str(failure(2, "cudaMalloc", "", 4 << 30, (5 << 30, 8 << 30)))
    assert "L4T 36.4.7 refuses allocations near 4 GiB whatever is free" in text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (35, "driver is missing or older"),
        (100, "there is no CUDA device"),
        (46, "another process holds the device"),
        (719, "nothing more runs in this process"),
        (999, "run mobileo-jetson preflight"),
    ],
)
def test_errors_say_what_to_do(
    cuda: libcudart.Cuda, stub: ctypes.CDLL, code: int, words: str
) -> None:
    stub.stub_fail(0, code)
    with pytest.raises(CudaError, match=words) as raised:
        cuda.compute_capability()
    assert "\n" not in str(raised.value)
    assert f"CUDA error {code}" in str(raised.value)


def test_no_device(cuda: libcudart.Cuda, stub: ctypes.CDLL) -> None:
    stub.stub_devices(0)
    with pytest.raises(CudaError, match="there is no CUDA device"):
        cuda.compute_capability()


def test_a_graph_that_cannot_be_made_is_given_back(cuda: libcudart.Cuda, stub: ctypes.CDLL) -> None:
    stream = cuda.stream()
    cuda.begin_capture(stream)
    stub.stub_fail(1, 900)  # instantiating it
    with pytest.raises(CudaError, match="cudaGraphInstantiate"):
        cuda.end_capture(stream)


def test_a_library_of_another_kind_is_refused() -> None:
    with pytest.raises(RuntimeUnavailableError, match="has no cudaGetDeviceCount; CUDA 12 or 13"):
        libcudart.Cuda(ctypes.CDLL("libc.so.6"))


def test_a_machine_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(RuntimeUnavailableError, match="no CUDA here .* needs a Jetson"):
        libcudart.load()


def test_the_real_library_where_there_is_one() -> None:
    try:
        cuda = libcudart.load()
    except RuntimeUnavailableError:
        pytest.skip("no libcudart on this machine")
    assert cuda.version().split(".")[0] in {"12", "13"}
    try:
        cuda.compute_capability()
    except CudaError as error:
        assert "CUDA error" in str(error)  # noqa: PT017  # a machine with a device has none
