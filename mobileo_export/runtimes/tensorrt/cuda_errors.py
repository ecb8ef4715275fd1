"""The errors of CUDA in plain words."""

from __future__ import annotations

from mobileo_export.errors import RuntimeUnavailableError

OUT_OF_MEMORY = 2
# cudaErrorStreamCapture…: what cannot be part of a graph runs without one.
CAPTURE_ERRORS = range(900, 909)


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
