"""Looking at real processes: who descends from whom, and who is still alive."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def descendants(pid: int) -> list[int]:
    """Children, grandchildren and so on, parents first (Linux)."""
    found = children(pid)
    for parent in found:  # grows while it is walked
        found += children(parent)
    return found


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started and that it has not waited for."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for t in tasks for child in (t / "children").read_text().split()]
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def holds(pid: int, path: Path) -> bool:
    """Whether a process has a file open."""
    try:
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    for descriptor in descriptors:
        with suppress(OSError):  # closed meanwhile
            if descriptor.samefile(path):
                return True
    return False


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Poll ``condition`` until it holds; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def assert_ended(pids: Collection[int]) -> None:
    """Fails if one of these processes still runs.

    One that was killed closes its files, which others wait for, a moment before the kernel is done
    with it; one that nobody killed would run for longer than is waited here.
    """
    wait_until(lambda: not any(alive(pid) for pid in pids), seconds=2)
