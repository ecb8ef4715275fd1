"""The CUDA runtime library by ctypes: no wheel, no compiler, whichever CUDA JetPack brought."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import RuntimeUnavailableError
from mobileo_export.runtimes.tensorrt.cuda_errors import OUT_OF_MEMORY, CudaError, failure

VERSIONS = (12, 13)  # JetPack 6 and 7
_TOOLKIT = Path("/usr/local/cuda/lib64")  # not every image has it on the loader's path

_MAJOR, _MINOR = 75, 76  # cudaDevAttrComputeCapability…
_HOST_MAPPED = 2  # cudaHostAllocMapped
_COPY_DEFAULT = 4  # the direction follows from the addresses
_CAPTURE_THREAD_LOCAL = 1
_STREAM_NON_BLOCKING = 1

if TYPE_CHECKING:
    # What states its C type itself; a bare int would be passed as 32 bits.
    _Argument = c_int | c_uint | c_size_t | c_ulonglong | c_void_p | ctypes._CArgObject


class Cuda:
    """The first device. Addresses, streams, events and graphs are integers.

    Every method raises ``CudaError`` when CUDA reports one. Work on a stream is done when
    :meth:`synchronize` returns; memory that it uses must live until then. Each argument of the
    library is passed with its C type, which is stated there only.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        """Raises RuntimeUnavailableError unless ``library`` is a CUDA runtime."""
        self._library = library
        self._function("cudaGetDeviceCount")

    def version(self) -> str:
        """Of the library, such as ``12.6``."""
        found = c_int()
        self._call("cudaRuntimeGetVersion", byref(found))
        return f"{found.value // 1000}.{found.value % 1000 // 10}"

    def compute_capability(self) -> tuple[int, int]:
        """Such as (8, 7) of an Orin."""
        count, major, minor = c_int(), c_int(), c_int()
        self._call("cudaGetDeviceCount", byref(count))
        if count.value == 0:
            raise failure(100, "cudaGetDeviceCount", "cudaErrorNoDevice")
        self._call("cudaDeviceGetAttribute", byref(major), c_int(_MAJOR), c_int(0))
        self._call("cudaDeviceGetAttribute", byref(minor), c_int(_MINOR), c_int(0))
        return major.value, minor.value

    def memory(self) -> tuple[int, int]:
        """Bytes free and in all; on a Jetson the system's own memory, page cache not counted."""
        free, total = c_size_t(), c_size_t()
        self._call("cudaMemGetInfo", byref(free), byref(total))
        return free.value, total.value

    def malloc(self, size: int) -> int:
        """Device memory, aligned to 256 bytes."""
        return self._made("cudaMalloc", c_size_t(size), size=size)

    def free(self, address: int) -> None:
        """Give back what :meth:`malloc` gave."""
        self._call("cudaFree", c_void_p(address))

    def host_malloc(self, size: int) -> int:
        """Page-locked host memory that the device reaches too (see :meth:`device_address`)."""
        return self._made("cudaHostAlloc", c_size_t(size), c_uint(_HOST_MAPPED), size=size)

    def host_free(self, address: int) -> None:
        """Give back what :meth:`host_malloc` gave."""
        self._call("cudaFreeHost", c_void_p(address))

    def device_address(self, host_address: int) -> int:
        """Where the device sees memory of :meth:`host_malloc`."""
        return self._made("cudaHostGetDevicePointer", c_void_p(host_address), c_uint(0))

    def copy(self, target: int, source: int, size: int, stream: int) -> None:
        """Copy between any two places, in stream order."""
        places = c_void_p(target), c_void_p(source)
        how = c_int(_COPY_DEFAULT), c_void_p(stream)
        self._call("cudaMemcpyAsync", *places, c_size_t(size), *how)

    def copy_rows(
        self,
        target: int,
        target_pitch: int,
        source: int,
        source_pitch: int,
        width: int,
        rows: int,
        stream: int,
    ) -> None:
        """Copy ``rows`` of ``width`` bytes each; a pitch is from one row's start to the next's."""
        places = c_void_p(target), c_size_t(target_pitch), c_void_p(source), c_size_t(source_pitch)
        how = c_int(_COPY_DEFAULT), c_void_p(stream)
        self._call("cudaMemcpy2DAsync", *places, c_size_t(width), c_size_t(rows), *how)

    def fill(self, target: int, value: int, size: int, stream: int) -> None:
        """Set every byte to ``value``, in stream order."""
        what = c_void_p(target), c_int(value), c_size_t(size)
        self._call("cudaMemsetAsync", *what, c_void_p(stream))

    def stream(self) -> int:
        """A new stream."""
        return self._made("cudaStreamCreateWithFlags", c_uint(_STREAM_NON_BLOCKING))

    def destroy_stream(self, stream: int) -> None:
        """Give back a stream."""
        self._call("cudaStreamDestroy", c_void_p(stream))

    def synchronize(self, stream: int) -> None:
        """Wait for all work of a stream; its errors come here."""
        self._call("cudaStreamSynchronize", c_void_p(stream))

    def event(self) -> int:
        """A new event that measures time."""
        return self._made("cudaEventCreate")

    def destroy_event(self, event: int) -> None:
        """Give back an event."""
        self._call("cudaEventDestroy", c_void_p(event))

    def record(self, event: int, stream: int) -> None:
        """The event happens when the stream gets there."""
        self._call("cudaEventRecord", c_void_p(event), c_void_p(stream))

    def milliseconds(self, start: int, end: int) -> float:
        """Between two events that have happened."""
        elapsed = c_float()
        self._call("cudaEventElapsedTime", byref(elapsed), c_void_p(start), c_void_p(end))
        return elapsed.value

    def begin_capture(self, stream: int) -> None:
        """From now on the stream's work of this thread is recorded, not done."""
        self._call("cudaStreamBeginCapture", c_void_p(stream), c_int(_CAPTURE_THREAD_LOCAL))

    def end_capture(self, stream: int) -> int:
        """The recorded work as a graph that can be launched."""
        recorded = c_void_p()
        self._call("cudaStreamEndCapture", c_void_p(stream), byref(recorded))
        try:
            # With these arguments since CUDA 12.
            return self._made("cudaGraphInstantiate", recorded, c_ulonglong(0))
        finally:
            self._call("cudaGraphDestroy", recorded)

    def launch(self, graph: int, stream: int) -> None:
        """Do a graph's work, in stream order."""
        self._call("cudaGraphLaunch", c_void_p(graph), c_void_p(stream))

    def destroy_graph(self, graph: int) -> None:
        """Give back a graph."""
        self._call("cudaGraphExecDestroy", c_void_p(graph))

    def _made(self, function: str, *arguments: _Argument, size: int = 0) -> int:
        """The address or handle that ``function`` puts where its first argument says."""
        found = c_void_p()
        self._call(function, byref(found), *arguments, size=size)
        return found.value or 0

    def _call(self, function: str, *arguments: _Argument, size: int = 0) -> None:
        """Call ``function``; ``size`` is how many bytes are asked for, where some are."""
        code: int = self._function(function)(*arguments)
        if code == 0:
            return
        memory = None
        if code == OUT_OF_MEMORY:
            try:
                memory = self.memory()
            except CudaError:  # the figures are a courtesy
                memory = None
        name_of = self._function("cudaGetErrorName")
        name_of.restype = c_char_p
        name: bytes = name_of(c_int(code)) or b"unknown error"
        raise failure(code, function, name.decode(), size, memory)

    def _function(self, name: str) -> Any:
        try:
            return getattr(self._library, name)
        except AttributeError:
            raise RuntimeUnavailableError(
                f"{self._library._name}: has no {name}; CUDA 12 or 13 is needed, as JetPack 6.2 or "
                "7.2 brings it"
            ) from None


def load() -> Cuda:
    """The CUDA runtime of this machine.

    Raises:
        RuntimeUnavailableError: there is none.
    """
    for version in VERSIONS:
        name = f"libcudart.so.{version}"
        for place in (name, str(_TOOLKIT / name)):
            try:
                library = ctypes.CDLL(place)
            except OSError:
                continue
            return Cuda(library)
    names = " or ".join(f"libcudart.so.{version}" for version in VERSIONS)
    raise RuntimeUnavailableError(
        f"no CUDA here ({names} is not found); the tensorrt runtime needs a Jetson with JetPack "
        "6.2 or 7.2 (sudo apt install nvidia-jetpack)"
    )
