"""How much memory this process may still take, how much another has taken, and whom it killed."""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Available:
    """``bytes`` that may still be taken, and what bounds them."""

    bytes: int
    bound: str


def available(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> Available:
    """The tightest of the machine's free memory, its control group's, and the process's limits.

    Memory that only caches files counts as free: the system drops it when it is asked for more.
    """
    found = [*_machine(proc), *_groups(proc, cgroups), *_limits()]
    return min(found, key=lambda item: item.bytes)


def resident(pid: int | str) -> int:
    """Bytes that ``pid`` keeps in memory, files that are only mapped left out; 0 if it is gone.

    Pages that it shares with the process it was forked from count in full.
    """
    fields = _fields(_PROC / str(pid) / "status")
    return fields.get("RssAnon", 0) + fields.get("RssShmem", 0)


def meminfo(proc: Path = _PROC) -> dict[str, int]:
    """What the kernel says of the machine's memory, in bytes; empty where there is no /proc."""
    return _fields(proc / "meminfo")


def own_peak() -> int:
    """The most that this process has ever had in memory, files that it maps included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def footprint(proc: Path = _PROC, usage: Callable[[], tuple[int, int] | None] | None = None) -> int:
    """Bytes that this process is charged for now; 0 where the system does not tell.

    On a Mac ``phys_footprint``, which counts what Metal holds for it; elsewhere ``Pss``, which
    counts a page that several processes share in parts.
    """
    if sys.platform == "darwin" or usage is not None:
        found = (usage or _usage)()
        return 0 if found is None else found[0]
    return _fields(proc / "self" / "smaps_rollup").get("Pss", 0)


def most_footprint(usage: Callable[[], tuple[int, int] | None] | None = None) -> int | None:
    """The most that :func:`footprint` has ever been, where the system keeps that: on a Mac."""
    found = (usage or _usage)() if sys.platform == "darwin" or usage is not None else None
    return None if found is None else found[1]


def _usage() -> tuple[int, int] | None:
    """``ri_phys_footprint`` and ``ri_lifetime_max_phys_footprint`` of macOS' sys/resource.h."""
    import ctypes

    words = (ctypes.c_uint64 * 64)()  # rusage_info_v4: an identity of 16 bytes, then 8 bytes each
    if ctypes.CDLL(None).proc_pid_rusage(os.getpid(), 4, words) != 0:
        return None
    return words[2 + 7], words[2 + 28]


def kills(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int | None:
    """How many processes the kernel has killed for want of memory until now; None if it is silent.

    Of our own control group if that counts them, else of the machine (Linux 4.13).
    """
    for folder, controllers in _folders(proc, cgroups):
        name = "memory.oom_control" if controllers else "memory.events"
        counted = _counters(folder / name).get("oom_kill")
        if counted is not None:
            return counted
    return _counters(proc / "vmstat").get("oom_kill")


def _machine(proc: Path) -> Iterator[Available]:
    free = meminfo(proc).get("MemAvailable")
    if free is not None:
        yield Available(free, "free on this machine")
    else:  # macOS compresses and swaps before it refuses: its whole memory is the bound
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        yield Available(total, "the memory of this machine")


def _groups(proc: Path, cgroups: Path) -> Iterator[Available]:
    """Of the control groups that the process is in, and of those that hold them (Linux)."""
    for folder, controllers in _folders(proc, cgroups):
        if controllers:
            yield from _group(folder, "memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            yield from _group(folder, "memory.max", "memory.current")


def _folders(proc: Path, cgroups: Path) -> Iterator[tuple[Path, str]]:
    """The groups, innermost first, and the controllers of each: none in the second version."""
    for line in _lines(proc / "self" / "cgroup"):
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        root = cgroups / "memory" if controllers else cgroups
        # In a container the group's own folder is mounted as the root, whatever its path.
        group = root / path.lstrip("/")
        for folder in dict.fromkeys((group, *group.parents, root)):
            if folder == root or root in folder.parents:
                yield folder, controllers


def _group(folder: Path, limit_name: str, usage_name: str) -> Iterator[Available]:
    limit, usage = _number(folder / limit_name), _number(folder / usage_name)
    if limit is None or usage is None:  # none is set, or no such group
        return
    kept = _counters(folder / "memory.stat")
    cached = sum(
        kept.get(f"total_{name}", kept.get(name, 0)) for name in ("inactive_file", "active_file")
    )
    yield Available(max(0, limit - usage + cached), "the limit of the control group")


def _limits() -> Iterator[Available]:
    for number, name in ((resource.RLIMIT_AS, "ulimit -v"), (resource.RLIMIT_DATA, "ulimit -d")):
        soft, _ = resource.getrlimit(number)
        if soft != resource.RLIM_INFINITY:
            yield Available(soft, name)


def _fields(path: Path) -> dict[str, int]:
    """``Name:   12 kB`` lines as bytes."""
    fields = {}
    for line in _lines(path):
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            fields[name] = int(value.removesuffix(" kB")) * 1024
    return fields


def _counters(path: Path) -> dict[str, int]:
    """``name 12`` lines."""
    pairs = (line.split(" ", 1) for line in _lines(path) if " " in line)
    return {name: int(value) for name, value in pairs if value.isdigit()}


def _number(path: Path) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
