"""What a board is and how it is set: read from its files and tools, None where they do not say.

Texts are those of L4T 36 and 39; sources beside each reader.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export.memory import meminfo

if TYPE_CHECKING:
    from mobileo_export.processes.host import Host

# Which JetPack an L4T release belongs to (developer.nvidia.com/embedded/jetpack-archive).
_JETPACK: dict[tuple[int, ...], str] = {
    (36, 2): "6.0 DP",
    (36, 3): "6.0",
    (36, 4, 0): "6.1",
    (36, 4, 3): "6.2",
    (36, 4, 4): "6.2.1",
    (36, 4, 7): "6.2.1",
    (36, 5): "6.2.2",
    (38, 2): "7.0",
    (38, 4): "7.1",
    (39, 2, 0): "7.2",
    (39, 2, 1): "7.2.1",
}


@dataclass(frozen=True)
class Version:
    """An L4T release, such as 36.4.7."""

    parts: tuple[int, int, int]

    def __str__(self) -> str:
        return ".".join(map(str, self.parts))

    @property
    def jetpack(self) -> str | None:
        """The JetPack that brought it; None if unknown."""
        return _JETPACK.get(self.parts) or _JETPACK.get(self.parts[:2])


@dataclass(frozen=True)
class PowerMode:
    """The mode in force, and those that the board has, by number."""

    name: str
    number: int | None
    known: dict[int, str]


@dataclass(frozen=True)
class Clock:
    """A frequency's bounds and value in MHz; pinned when its bounds are one."""

    lowest: float
    highest: float
    current: float

    @property
    def pinned(self) -> bool:
        """Whether it stays at its highest."""
        return self.lowest >= self.highest


@dataclass(frozen=True)
class Swap:
    """One swap device or file, in bytes."""

    name: str
    size: int
    used: int

    @property
    def compressed(self) -> bool:
        """Whether it is zram, which keeps what is swapped out in memory."""
        return "zram" in self.name


@dataclass(frozen=True)
class BoardMemory:
    """Bytes in all, and available without swapping."""

    total: int
    available: int


def l4t(host: Host) -> Version | None:
    """From ``# R36 (release), REVISION: 4.7, GCID: …`` in ``/etc/nv_tegra_release``."""
    text = host.read("/etc/nv_tegra_release") or ""
    found = re.search(r"R(\d+) \(release\), REVISION: (\d+)(?:\.(\d+))?", text)
    if found is None:
        return None
    major, minor, patch = (int(part or 0) for part in found.groups())
    return Version((major, minor, patch))


def power_mode(host: Host) -> PowerMode | None:
    """From ``nvpmodel -q`` (a name and a number) and the modes in ``/etc/nvpmodel.conf``."""
    text = host.run(("nvpmodel", "-q")) or ""
    name = re.search(r"NV Power Mode: *(\S+)", text)
    if name is None:
        return None
    number = re.search(r"^(\d+)\s*$", text, re.MULTILINE)
    listed = host.read("/etc/nvpmodel.conf") or ""
    modes = re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", listed)
    return PowerMode(
        name.group(1), int(number.group(1)) if number else None, {int(i): n for i, n in modes}
    )


def gpu_clock(host: Host) -> Clock | None:
    """From ``/sys/class/devfreq``, or from ``jetson_clocks --show``, which root may read."""
    for folder in host.glob("/sys/class/devfreq/*gpu*"):
        values = [host.read(f"{folder}/{name}_freq") for name in ("min", "max", "cur")]
        numbers = [int(value) / 1e6 for value in values if value and value.strip().isdigit()]
        if len(numbers) == 3:
            return Clock(*numbers)
    shown = host.run(("jetson_clocks", "--show")) or ""
    found = re.search(r"GPU MinFreq=(\d+) MaxFreq=(\d+) CurrentFreq=(\d+)", shown)
    return Clock(*(int(number) / 1e6 for number in found.groups())) if found else None


def memory(host: Host) -> BoardMemory | None:
    """From ``/proc/meminfo``; on a Jetson the GPU's memory is this memory."""
    fields = meminfo(host.root / "proc")
    if not {"MemTotal", "MemAvailable"} <= fields.keys():
        return None
    return BoardMemory(fields["MemTotal"], fields["MemAvailable"])


def swaps(host: Host) -> list[Swap]:
    """From ``/proc/swaps``."""
    lines = (host.read("/proc/swaps") or "").splitlines()[1:]
    rows = [line.split() for line in lines]
    return [
        Swap(row[0], int(row[2]) * 1024, int(row[3]) * 1024)
        for row in rows
        if len(row) >= 4 and row[2].isdigit() and row[3].isdigit()
    ]


def desktop(host: Host) -> bool | None:
    """Whether a display manager runs; None where systemd does not say."""
    if host.run(("systemctl", "is-active", "display-manager")) is not None:
        return True  # it exits with 0 for an active unit only
    return None if host.run(("systemctl", "get-default")) is None else False


def cuda(host: Host) -> str | None:
    """The version of the CUDA toolkit, from its ``version.json``."""
    text = host.read("/usr/local/cuda/version.json")
    if text is None:
        return None
    try:
        found = json.loads(text)["cuda_cudart"]["version"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(found)


def package(host: Host, name: str) -> str | None:
    """The version of an installed Debian package."""
    text = host.run(("dpkg-query", "-W", "-f=${Version}", name))
    return text.strip() or None if text else None
