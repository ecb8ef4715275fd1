"""Memory of one component: allocated once, given back together."""

from __future__ import annotations

import ctypes
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.runtimes.tensorrt.libcudart import Cuda

# Up to here the device reads the host's memory itself, which saves a copy; what is read more than
# once, as a picture is by a convolution, pays for a copy of its own.
ZERO_COPY = 256 << 10


@dataclass(frozen=True)
class Buffer:
    """Room for one tensor on both sides; the same memory when ``staged`` is False.

    Attributes:
        host: address for the processor.
        device: address for the engine.
        capacity: in bytes.
        staged: whether contents must be copied between the two.
    """

    host: int
    device: int
    capacity: int
    staged: bool

    def view(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """The host side as an array that shares its memory; invalid once the memory is freed.

        Raises:
            ValueError: it does not fit.
        """
        count = int(np.prod(shape, dtype=np.int64))
        if count * dtype.itemsize > self.capacity:
            raise ValueError(f"{shape} of {dtype} does not fit into {self.capacity} bytes")
        if count == 0:
            return np.empty(shape, dtype)
        raw = (ctypes.c_byte * (count * dtype.itemsize)).from_address(self.host)
        array: NDArray[Any] = np.ctypeslib.as_array(raw).view(dtype).reshape(shape)
        return array


class Memory:
    """Device memory, page-locked memory, streams and events that end together."""

    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda
        self.allocated = 0  # bytes, on whichever side: a Jetson has one memory
        self._stack = ExitStack()

    def device(self, size: int) -> int:
        """Device memory; at least one block even if ``size`` is 0, so that it has an address."""
        size = max(size, 256)
        address = self.cuda.malloc(size)
        self._stack.callback(self.cuda.free, address)
        self.allocated += size
        return address

    def host(self, size: int) -> int:
        """Page-locked host memory."""
        size = max(size, 256)
        address = self.cuda.host_malloc(size)
        self._stack.callback(self.cuda.host_free, address)
        self.allocated += size
        return address

    def buffer(self, size: int) -> Buffer:
        """Room for a tensor of up to ``size`` bytes."""
        host = self.host(size)
        if size > ZERO_COPY:
            return Buffer(host, self.device(size), size, staged=True)
        return Buffer(host, self.cuda.device_address(host), max(size, 256), staged=False)

    def stream(self) -> int:
        """A stream."""
        stream = self.cuda.stream()
        self._stack.callback(self.cuda.destroy_stream, stream)
        return stream

    def event(self) -> int:
        """An event."""
        event = self.cuda.event()
        self._stack.callback(self.cuda.destroy_event, event)
        return event

    def close(self) -> None:
        """Give everything back, the last first; a second call does nothing."""
        self._stack.close()
        self.allocated = 0
