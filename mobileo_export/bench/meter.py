"""How much memory each stage takes, sampled in its warm-ups: no run that counts waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mobileo_export import memory

INTERVAL = 0.05  # seconds
_MB = 1 << 20


@dataclass
class Meter:
    """The most that ``read`` gave, by stage; see :func:`mobileo_export.memory.footprint`."""

    read: Callable[[], int] = memory.footprint
    most: Callable[[], int | None] = memory.most_footprint
    interval: float = INTERVAL
    peaks: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def watch(self, stage: str) -> Iterator[None]:
        """Sample in the background for the time of the block."""
        stop = threading.Event()

        def sample() -> None:
            while not stop.is_set():
                self.look(stage)
                stop.wait(self.interval)

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.look(stage)

    def look(self, stage: str) -> None:
        """One sample."""
        self.peaks[stage] = max(self.peaks.get(stage, 0), self.read())

    def as_json(self) -> dict[str, Any]:
        """In MB of 1024² bytes; null where the system does not tell."""
        told = {stage: peak for stage, peak in self.peaks.items() if peak}
        largest = self.most() or max(told.values(), default=None)
        return {
            "peak_footprint_mb": None if largest is None else round(largest / _MB, 1),
            "by_stage": {stage: round(peak / _MB, 1) for stage, peak in told.items()},
        }
