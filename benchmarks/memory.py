"""How much memory a process tree uses, counted so that shared pages count once."""

from __future__ import annotations

import threading
from pathlib import Path

_FIELDS = ("Pss_Anon:", "Pss_Shmem:")
INTERVAL = 0.2  # seconds between samples


def tree_bytes(root: int) -> int:
    """Pss_Anon + Pss_Shmem of a process and all its descendants, from ``/proc`` (Linux).

    Proportional set size divides a page among those who share it, so the sum over a tree that
    forked is right; file-backed pages are left out because the kernel can drop them at will.
    """
    return sum(_process_bytes(pid) for pid in _descendants(root))


class MemoryMeter:
    """Samples a process tree in the background; ``peak`` is the largest sum seen, in bytes."""

    def __init__(self, pid: int, interval: float = INTERVAL) -> None:
        self.peak = 0
        self._pid = pid
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> MemoryMeter:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.is_set():
            self.peak = max(self.peak, tree_bytes(self._pid))
            self._stop.wait(self._interval)


def _descendants(root: int) -> list[int]:
    found = [root]
    for pid in found:
        tasks = Path(f"/proc/{pid}/task")
        try:
            for task in tasks.iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:  # the process ended meanwhile
            continue
    return found


def _process_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(_FIELDS))
