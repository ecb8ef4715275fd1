"""What the ``tensorrt`` runtime needs of CUDA: a small interface, and its errors in plain words.

``libcudart`` implements it on a board; the tests implement it on host memory.
"""

from __future__ import annotations

from typing import Protocol

from mobileo_export.errors import RuntimeUnavailableError

OUT_OF_MEMORY = 2
# cudaErrorStreamCapture…: what cannot be part of a graph runs without one.
CAPTURE_ERRORS = range(900, 909)


class Cuda(Protocol):
    """One device. Addresses, streams, events and graphs are integers.

    Every method raises :class:`CudaError` when CUDA reports one. Work on a stream is done when
    :meth:`synchronize` returns; memory that it uses must live until then.
    """

    def compute_capability(self) -> tuple[int, int]:
        """Such as (8, 7) of an Orin."""
        ...

    def memory(self) -> tuple[int, int]:
        """Bytes free and in all; on a Jetson the system's own memory, page cache not counted."""
        ...

    def malloc(self, size: int) -> int:
        """Device memory, aligned to 256 bytes."""
        ...

    def free(self, address: int) -> None:
        """Give back what :meth:`malloc` gave."""
        ...

    def host_malloc(self, size: int) -> int:
        """Page-locked host memory that the device reaches too (see :meth:`device_address`)."""
        ...

    def host_free(self, address: int) -> None:
        """Give back what :meth:`host_malloc` gave."""
        ...

    def device_address(self, host_address: int) -> int:
        """Where the device sees memory of :meth:`host_malloc`."""
        ...

    def copy(self, target: int, source: int, size: int, stream: int) -> None:
        """Copy between any two places, in stream order."""
        ...

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
        ...

    def fill(self, target: int, value: int, size: int, stream: int) -> None:
        """Set every byte to ``value``, in stream order."""
        ...

    def stream(self) -> int:
        """A new stream."""
        ...

    def destroy_stream(self, stream: int) -> None:
        """Give back a stream."""
        ...

    def synchronize(self, stream: int) -> None:
        """Wait for all work of a stream; its errors come here."""
        ...

    def event(self) -> int:
        """A new event that measures time."""
        ...

    def destroy_event(self, event: int) -> None:
        """Give back an event."""
        ...

    def record(self, event: int, stream: int) -> None:
        """The event happens when the stream gets there."""
        ...

    def milliseconds(self, start: int, end: int) -> float:
        """Between two events that have happened."""
        ...

    def begin_capture(self, stream: int) -> None:
        """From now on the stream's work of this thread is recorded, not done."""
        ...

    def end_capture(self, stream: int) -> int:
        """The recorded work as a graph that can be launched."""
        ...

    def launch(self, graph: int, stream: int) -> None:
        """Do a graph's work, in stream order."""
        ...

    def destroy_graph(self, graph: int) -> None:
        """Give back a graph."""
        ...


class CudaError(RuntimeUnavailableError):
    """A call of CUDA failed; ``code`` is a ``cudaError_t``."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


_BROKEN_CONTEXT = (
    "the device stopped in the middle of its work; nothing more runs in this process: run the "
    "command again, and build the engine again (mobileo-jetson build --force) if it comes back"
)
_CAUSES = {
    3: "the driver did not start; is the board still booting? dmesg | grep -i nvgpu says more",
    35: (
        "the NVIDIA driver is missing or older than the CUDA libraries; on a Jetson it comes with "
        "JetPack (sudo apt install nvidia-jetpack), in a container with --runtime nvidia"
    ),
    46: "another process holds the device; end it (sudo lsof /dev/nvgpu/igpu0/* names it)",
    100: (
        "there is no CUDA device; on a Jetson the user needs the groups video and render "
        "(sudo usermod -aG video,render $USER, then log in again), a container --runtime nvidia"
    ),
    209: "the library has no code for this device; install the TensorRT of this board's JetPack",
    700: _BROKEN_CONTEXT,
    719: _BROKEN_CONTEXT,
}


def failure(
    code: int, function: str, text: str, size: int = 0, memory: tuple[int, int] | None = None
) -> CudaError:
    """The error for ``code``: the call, CUDA's own words, the likely cause and what to do.

    Args:
        code: a ``cudaError_t``.
        function: that returned it.
        text: CUDA's name of the error.
        size: bytes that were asked for.
        memory: bytes free and in all at that moment, if known.
    """
    if code == OUT_OF_MEMORY:
        left = ""
        if memory:
            left = f", {memory[0] / 1e6:,.0f} MB of {memory[1] / 1e6:,.0f} MB are free"
        large = (
            "; L4T 36.4.7 refuses allocations near 4 GiB whatever is free: update to 36.5"
            if memory and size >= 3 << 30 and size < memory[0]
            else ""
        )
        return CudaError(
            code,
            f"{function}: out of memory, asked for {size / 1e6:,.1f} MB{left}; end other programs "
            f"and the desktop, and run mobileo-jetson preflight{large}",
        )
    cause = _CAUSES.get(code, "run mobileo-jetson preflight, and the command again after a reboot")
    return CudaError(code, f"{function}: {text} (CUDA error {code}): {cause}")
