"""The machine itself: Python, disk, memory, and the engines that execute artifacts."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export import memory
from mobileo_export.doctor.findings import Finding, State
from mobileo_export.processes.extras import EXPORT, install
from mobileo_export.processes.host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mobileo_export.doctor.packages import Environment

# The packages use operations of iOS 18, which Core ML executes from this macOS on.
_MACOS = (15, 0)
_LOW_DISK, _LOW_MEMORY = 10e9, 4e9  # below these a released checkpoint does not fit
_GPUS = ("/dev/nvidia0", "/dev/nvhost-gpu", "/dev/nvgpu")


@dataclass(frozen=True)
class Machine:
    """What was found, so that it can be made up in a test.

    Attributes:
        python: version.
        system: ``Linux`` or ``Darwin``.
        macos: version, zeros elsewhere.
        architecture: such as ``x86_64``.
        cores: that this process may use.
        memory: bytes that may still be taken, and by what they are bounded.
        disk_free: bytes where the command was called.
        temporary_free: bytes where temporary files go.
        board: of a Jetson; empty elsewhere.
        gpu: whether an NVIDIA device is there.
        modules: of the engines that can be found by their import name.
    """

    python: tuple[int, ...]
    system: str
    macos: tuple[int, ...]
    architecture: str
    cores: int
    memory: memory.Available
    disk_free: int
    temporary_free: int
    board: str
    gpu: bool
    modules: frozenset[str]


def look(host: Host | None = None) -> Machine:
    """This machine, as it is now."""
    host = host or Host()
    board = host.board() or ""
    system = platform.system()
    version = platform.mac_ver()[0] if system == "Darwin" else ""
    engines = ("mlx", "onnxruntime", "tensorrt", "tensorrt_rtx")
    return Machine(
        python=tuple(sys.version_info[:3]),
        system=system,
        macos=tuple(int(part) for part in version.split(".") if part.isdigit()) or (0, 0),
        architecture=platform.machine(),
        cores=_cores(),
        memory=memory.available(),
        disk_free=host.disk_free(Path.cwd()),
        temporary_free=host.disk_free(Path(tempfile.gettempdir())),
        board=board if re.search("jetson|orin", board, re.IGNORECASE) else "",
        gpu=any(map(host.exists, _GPUS)),
        modules=frozenset(name for name in engines if _found(name)),
    )


def findings(machine: Machine, state: Environment) -> Iterator[Finding]:
    """Python, system, disk, memory, engines."""
    yield _python(machine, state)
    where = machine.board or f"{machine.system} on {machine.architecture}"
    yield Finding("machine", "ok", f"{where}, {machine.cores} cores")
    yield _memory(machine)
    for what, free, mend in (
        ("disk", machine.disk_free, "free some space, or work on another disk"),
        (
            "temporary files",
            machine.temporary_free,
            "free some space, or export TMPDIR=/elsewhere",
        ),
    ):
        low = free < _LOW_DISK
        reason = "; a released checkpoint and its bundle take more" if low else ""
        level: State = "warning" if low else "ok"
        yield Finding(what, level, f"{free / 1e9:.1f} GB free{reason}", mend if low else None)
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        detail = "HF_HUB_OFFLINE is set: hub ids are taken from the cache"
        yield Finding("hub", "warning", detail, "unset HF_HUB_OFFLINE")
    yield from _engines(machine)


def core_ml(machine: Machine) -> bool:
    """Whether Apple's engine executes our packages here."""
    return machine.system == "Darwin" and machine.macos >= _MACOS


def _python(machine: Machine, state: Environment) -> Finding:
    from packaging.specifiers import SpecifierSet

    found = ".".join(map(str, machine.python))
    if not SpecifierSet(state.python).contains(found, prereleases=True):
        mend = f"python3.12 -m venv .venv && .venv/bin/{install(EXPORT)}"
        return Finding("python", "broken", f"{found}, this release takes {state.python}", mend)
    return Finding("python", "ok", found)


def _memory(machine: Machine) -> Finding:
    free = machine.memory
    detail = f"{free.bytes / 1e9:.1f} GB ({free.bound})"
    if free.bytes < _LOW_MEMORY:
        mend = "close other programs, raise the limit, or export one --only component at a time"
        return Finding("memory", "warning", detail, mend)
    return Finding("memory", "ok", detail)


def _engines(machine: Machine) -> Iterator[Finding]:
    if core_ml(machine):
        yield Finding("Core ML", "ok", f"macOS {'.'.join(map(str, machine.macos))}")
    elif machine.system == "Darwin":
        found = ".".join(map(str, machine.macos))
        detail = f"macOS {found} does not execute packages for iOS 18"
        yield Finding("Core ML", "missing", detail, "update to macOS 15, or use --runtime mil")
    else:
        yield Finding("Core ML", "missing", "macOS only", "use --runtime mil: the same package")
    if "tensorrt" in machine.modules:
        level: State = "ok" if machine.gpu else "warning"
        yield Finding("TensorRT", level, "found" if machine.gpu else "found, but no NVIDIA GPU")
    elif "tensorrt_rtx" in machine.modules:
        detail = "TensorRT-RTX only: parses graphs and rehearses builds, runs nothing of ours"
        yield Finding("TensorRT", "warning", detail, "build and run the engines on the board")
    else:
        mend = (
            "sudo apt install python3-libnvinfer, then python3 -m venv --system-site-packages"
            if machine.board
            else "build and run the engines on the board"
        )
        yield Finding("TensorRT", "missing", "not found by this Python", mend)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
