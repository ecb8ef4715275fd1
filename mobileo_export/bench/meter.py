"""How much memory each stage takes: of the process sampled in its warm-ups, of MLX by MLX itself.

No run that counts waits for a sample.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mobileo_export import memory

INTERVAL = 0.05  # seconds
_MB = 1 << 20


class MLXCounter:
    """MLX's own counter: the most bytes that its arrays took at one time since :meth:`reset`.

    Weights are arrays as well as what is computed. It leaves out the buffers that MLX keeps for the
    next arrays, and all else of the process (ml-explore.github.io/mlx, ``get_peak_memory``).
    """

    def reset(self) -> None:
        """Begin anew, where MLX has been imported."""
        mlx: Any = sys.modules.get("mlx.core")
        if mlx is not None:
            mlx.reset_peak_memory()

    def read(self) -> int:
        """Bytes; 0 where MLX made no array."""
        mlx: Any = sys.modules.get("mlx.core")
        return 0 if mlx is None else int(mlx.get_peak_memory())


@dataclass
class Meter:
    """The most that ``read`` gave, by stage; see :func:`mobileo_export.memory.footprint`.

    ``mlx_peaks`` are what ``mlx`` counted from the beginning of a stage's warm-ups to the end of
    its runs, of the stages in which MLX computed.
    """

    read: Callable[[], int] = memory.footprint
    most: Callable[[], int | None] = memory.most_footprint
    interval: float = INTERVAL
    peaks: dict[str, int] = field(default_factory=dict)
    mlx: MLXCounter = field(default_factory=MLXCounter)
    mlx_peaks: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def watch(self, stage: str) -> Iterator[None]:
        """Sample in the background for the time of the block."""
        stop = threading.Event()

        def sample() -> None:
            while not stop.is_set():
                self._sample(stage)
                stop.wait(self.interval)

        self.mlx.reset()
        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.look(stage)

    def look(self, stage: str) -> None:
        """One sample, and what MLX has counted."""
        self._sample(stage)
        counted = self.mlx.read()
        if counted:
            self.mlx_peaks[stage] = max(self.mlx_peaks.get(stage, 0), counted)

    def _sample(self, stage: str) -> None:
        self.peaks[stage] = max(self.peaks.get(stage, 0), self.read())

    def as_json(self) -> dict[str, Any]:
        """In MB of 1024² bytes; null where the system does not tell, MLX's where it computed."""
        told = {stage: peak for stage, peak in self.peaks.items() if peak}
        largest = self.most() or max(told.values(), default=None)
        found: dict[str, Any] = {
            "peak_footprint_mb": None if largest is None else _megabytes(largest),
            "by_stage": {stage: _megabytes(peak) for stage, peak in told.items()},
        }
        if self.mlx_peaks:
            found["mlx_peak_mb"] = _megabytes(max(self.mlx_peaks.values()))
            found["mlx_by_stage"] = {s: _megabytes(peak) for s, peak in self.mlx_peaks.items()}
        return found


def _megabytes(size: int) -> float:
    return round(size / _MB, 1)
