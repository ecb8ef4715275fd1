"""The real CUDA under the fake TensorRT: ONNX Runtime computes, everything else is the device's.

The fake's work becomes copies to page-locked memory, a host function in stream order, and copies
back. All of it can be captured, so that CUDA graphs of it are real graphs.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from contextlib import suppress
from typing import Any

import numpy as np

from mobileo_export.errors import RuntimeUnavailableError
from mobileo_export.runtimes.tensorrt import libcudart
from mobileo_export.runtimes.tensorrt.libcudart import Cuda

from .fake_cuda import SCRATCH, HostWork, Regions

_HOST_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
# What is given back by another function than the one that made it.
_ENDS = {
    "malloc": "free",
    "host_malloc": "host_free",
    "stream": "destroy_stream",
    "event": "destroy_event",
    "end_capture": "destroy_graph",
}


_METHODS = frozenset(name for name in vars(Cuda) if not name.startswith("_"))


class DeviceCuda(Cuda):
    """The device with the two things that the fake asks beside it; counts what is made."""

    def __init__(self) -> None:
        """Raises RuntimeUnavailableError without CUDA or a device."""
        super().__init__(libcudart.load()._library)
        self.calls: list[str] = []
        self.capability = self.compute_capability()
        self._capturing: set[int] = set()
        self._kept: list[object] = []  # callbacks that graphs may call at any time
        # By address and size on the device. Made in the first call, which is never captured: while
        # a stream is, nothing can be allocated. Work on one stream uses it in turn.
        self._staging: dict[tuple[int, int], np.ndarray] = {}
        self.errors: list[BaseException] = []  # raised in a host function, which cannot say so

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in _METHODS:
            return found

        def counted(*arguments: int) -> object:
            result = found(*arguments)
            self.calls.append(name)
            return result

        return counted

    def capturing(self, stream: int) -> bool:
        """Whether the stream's work is recorded now."""
        return stream in self._capturing

    def begin_capture(self, stream: int) -> None:
        super().begin_capture(stream)
        self._capturing.add(stream)

    def end_capture(self, stream: int) -> int:
        self._capturing.discard(stream)
        return super().end_capture(stream)

    def host_work(
        self,
        stream: int,
        inputs: Regions,
        work: HostWork,
        outputs: Regions,
        scratch: tuple[int, int] | None,
    ) -> None:
        """As ``FakeCuda.host_work``, by copies and a host function."""
        regions = (*inputs.items(), *outputs.items())
        staged = {name: self._stage(*region) for name, region in regions}
        if scratch is not None:
            super().fill(scratch[0], SCRATCH, scratch[1], stream)
        for name, (address, size) in inputs.items():
            if size:
                super().copy(staged[name].ctypes.data, address, size, stream)

        def run(_: object) -> None:
            try:
                made = work({name: staged[name] for name in inputs})
                for name in outputs:
                    staged[name][:] = made[name]
            except BaseException as error:  # nothing may leave a callback of CUDA
                self.errors.append(error)

        callback = _HOST_FUNCTION(run)
        self._kept.append(callback)
        library = self._library
        library.cudaLaunchHostFunc.argtypes = (ctypes.c_void_p, _HOST_FUNCTION, ctypes.c_void_p)
        code = library.cudaLaunchHostFunc(stream, callback, None)
        assert code == 0, f"cudaLaunchHostFunc: {code}"
        for name, (address, size) in outputs.items():
            if size:
                super().copy(address, staged[name].ctypes.data, size, stream)

    def leaks(self) -> dict[str, int]:
        """How many of each kind were made and not given back."""
        count = Counter(self.calls)
        return {made: n for made, end in _ENDS.items() if (n := count[made] - count[end])}

    def close(self) -> None:
        """Give back what the fake's own work took."""
        while self._staging:
            super().host_free(self._staging.popitem()[1].ctypes.data)

    def _stage(self, address: int, size: int) -> np.ndarray:
        if (address, size) not in self._staging:
            raw = (ctypes.c_uint8 * max(size, 1)).from_address(super().host_malloc(max(size, 1)))
            self._staging[address, size] = np.ctypeslib.as_array(raw)
        return self._staging[address, size][:size]


def find() -> DeviceCuda | None:
    """The device of this machine, if it has one."""
    with suppress(RuntimeUnavailableError):
        return DeviceCuda()
    return None
