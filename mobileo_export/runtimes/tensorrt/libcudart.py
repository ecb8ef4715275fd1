"""The CUDA runtime library by ctypes: no wheel, no compiler, whichever CUDA JetPack brought."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from pathlib import Path

from mobileo_export.errors import RuntimeUnavailableError
from mobileo_export.runtimes.tensorrt.cuda import OUT_OF_MEMORY, CudaError, failure

VERSIONS = (12, 13)  # JetPack 6 and 7
_TOOLKIT = Path("/usr/local/cuda/lib64")  # not every image has it on the loader's path

_MAJOR, _MINOR = 75, 76  # cudaDevAttrComputeCapability…
_HOST_MAPPED = 2  # cudaHostAllocMapped
_COPY_DEFAULT = 4  # the direction follows from the addresses
_CAPTURE_THREAD_LOCAL = 1
_STREAM_NON_BLOCKING = 1

_SIGNATURES: dict[str, tuple[type, ...]] = {
    "cudaGetDeviceCount": (POINTER(c_int),),
    "cudaDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cudaMemGetInfo": (POINTER(c_size_t), POINTER(c_size_t)),
    "cudaMalloc": (POINTER(c_void_p), c_size_t),
    "cudaFree": (c_void_p,),
    "cudaHostAlloc": (POINTER(c_void_p), c_size_t, c_uint),
    "cudaFreeHost": (c_void_p,),
    "cudaHostGetDevicePointer": (POINTER(c_void_p), c_void_p, c_uint),
    "cudaMemcpyAsync": (c_void_p, c_void_p, c_size_t, c_int, c_void_p),
    "cudaMemcpy2DAsync": (
        c_void_p, c_size_t, c_void_p, c_size_t, c_size_t, c_size_t, c_int, c_void_p,
    ),
    "cudaMemsetAsync": (c_void_p, c_int, c_size_t, c_void_p),
    "cudaStreamCreateWithFlags": (POINTER(c_void_p), c_uint),
    "cudaStreamDestroy": (c_void_p,),
    "cudaStreamSynchronize": (c_void_p,),
    "cudaEventCreate": (POINTER(c_void_p),),
    "cudaEventDestroy": (c_void_p,),
    "cudaEventRecord": (c_void_p, c_void_p),
    "cudaEventElapsedTime": (POINTER(c_float), c_void_p, c_void_p),
    "cudaStreamBeginCapture": (c_void_p, c_int),
    "cudaStreamEndCapture": (c_void_p, POINTER(c_void_p)),
    "cudaGraphInstantiate": (POINTER(c_void_p), c_void_p, c_ulonglong),  # of CUDA 12 and later
    "cudaGraphLaunch": (c_void_p, c_void_p),
    "cudaGraphDestroy": (c_void_p,),
    "cudaGraphExecDestroy": (c_void_p,),
    "cudaRuntimeGetVersion": (POINTER(c_int),),
}  # fmt: skip


class Libcudart:
    """:class:`~mobileo_export.runtimes.tensorrt.cuda.Cuda` over the first device."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Raises RuntimeUnavailableError unless ``library`` has every function that is used."""
        self._library = library
        for name, arguments in _SIGNATURES.items():
            try:
                function = getattr(library, name)
            except AttributeError:
                raise RuntimeUnavailableError(
                    f"{library._name}: has no {name}; CUDA 12 or 13 is needed, as JetPack 6.2 or "
                    "7.2 brings it"
                ) from None
            function.argtypes, function.restype = arguments, c_int
        library.cudaGetErrorName.argtypes = (c_int,)
        library.cudaGetErrorName.restype = c_char_p

    def version(self) -> str:
        """Of the library, such as ``12.6``."""
        found = c_int()
        self._call("cudaRuntimeGetVersion", byref(found))
        return f"{found.value // 1000}.{found.value % 1000 // 10}"

    def compute_capability(self) -> tuple[int, int]:
        count, major, minor = c_int(), c_int(), c_int()
        self._call("cudaGetDeviceCount", byref(count))
        if count.value == 0:
            raise failure(100, "cudaGetDeviceCount", "cudaErrorNoDevice")
        self._call("cudaDeviceGetAttribute", byref(major), _MAJOR, 0)
        self._call("cudaDeviceGetAttribute", byref(minor), _MINOR, 0)
        return major.value, minor.value

    def memory(self) -> tuple[int, int]:
        free, total = c_size_t(), c_size_t()
        self._call("cudaMemGetInfo", byref(free), byref(total))
        return free.value, total.value

    def malloc(self, size: int) -> int:
        address = c_void_p()
        self._call("cudaMalloc", byref(address), size, size=size)
        return address.value or 0

    def free(self, address: int) -> None:
        self._call("cudaFree", address)

    def host_malloc(self, size: int) -> int:
        address = c_void_p()
        self._call("cudaHostAlloc", byref(address), size, _HOST_MAPPED, size=size)
        return address.value or 0

    def host_free(self, address: int) -> None:
        self._call("cudaFreeHost", address)

    def device_address(self, host_address: int) -> int:
        address = c_void_p()
        self._call("cudaHostGetDevicePointer", byref(address), host_address, 0)
        return address.value or 0

    def copy(self, target: int, source: int, size: int, stream: int) -> None:
        self._call("cudaMemcpyAsync", target, source, size, _COPY_DEFAULT, stream)

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
        self._call(
            "cudaMemcpy2DAsync",
            target,
            target_pitch,
            source,
            source_pitch,
            width,
            rows,
            _COPY_DEFAULT,
            stream,
        )

    def fill(self, target: int, value: int, size: int, stream: int) -> None:
        self._call("cudaMemsetAsync", target, value, size, stream)

    def stream(self) -> int:
        handle = c_void_p()
        self._call("cudaStreamCreateWithFlags", byref(handle), _STREAM_NON_BLOCKING)
        return handle.value or 0

    def destroy_stream(self, stream: int) -> None:
        self._call("cudaStreamDestroy", stream)

    def synchronize(self, stream: int) -> None:
        self._call("cudaStreamSynchronize", stream)

    def event(self) -> int:
        handle = c_void_p()
        self._call("cudaEventCreate", byref(handle))
        return handle.value or 0

    def destroy_event(self, event: int) -> None:
        self._call("cudaEventDestroy", event)

    def record(self, event: int, stream: int) -> None:
        self._call("cudaEventRecord", event, stream)

    def milliseconds(self, start: int, end: int) -> float:
        elapsed = c_float()
        self._call("cudaEventElapsedTime", byref(elapsed), start, end)
        return elapsed.value

    def begin_capture(self, stream: int) -> None:
        self._call("cudaStreamBeginCapture", stream, _CAPTURE_THREAD_LOCAL)

    def end_capture(self, stream: int) -> int:
        recorded, graph = c_void_p(), c_void_p()
        self._call("cudaStreamEndCapture", stream, byref(recorded))
        try:
            self._call("cudaGraphInstantiate", byref(graph), recorded, 0)
        finally:
            self._call("cudaGraphDestroy", recorded)
        return graph.value or 0

    def launch(self, graph: int, stream: int) -> None:
        self._call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph: int) -> None:
        self._call("cudaGraphExecDestroy", graph)

    def _call(self, function: str, *arguments: object, size: int = 0) -> None:
        code: int = getattr(self._library, function)(*arguments)
        if code == 0:
            return
        memory = None
        if code == OUT_OF_MEMORY:
            try:
                memory = self.memory()
            except CudaError:  # the figures are a courtesy
                memory = None
        name: bytes = self._library.cudaGetErrorName(code) or b"unknown error"
        raise failure(code, function, name.decode(), size, memory)


def load() -> Libcudart:
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
            return Libcudart(library)
    names = " or ".join(f"libcudart.so.{version}" for version in VERSIONS)
    raise RuntimeUnavailableError(
        f"no CUDA here ({names} is not found); the tensorrt runtime needs a Jetson with JetPack "
        "6.2 or 7.2 (sudo apt install nvidia-jetpack)"
    )
