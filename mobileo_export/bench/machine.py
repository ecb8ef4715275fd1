"""What a machine says of itself: model, chip and system, and how warm and how fast it is now."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.memory import meminfo

if TYPE_CHECKING:
    from mobileo_export.processes.host import Host

_CPUS = "/sys/devices/system/cpu"
# Of pmset's limit of the processor's speed, in percent, and of its warning levels.
_SERIOUS, _CRITICAL = 80, 50


def is_mac() -> bool:
    """Whether this is one."""
    return platform.system() == "Darwin"


def identity(host: Host) -> dict[str, Any]:
    """The model, where the system tells, and the system: what a benchmark and a test share."""
    model = host.board()
    if model is None and is_mac():
        model = _told(host, "sysctl", "-n", "hw.model")
    return {"model": model, "system": platform.platform(terse=True)}


def describe(host: Host) -> dict[str, Any]:
    """:func:`identity`, and what decides how fast it is; None where it does not say."""
    if is_mac():
        memory = _told(host, "sysctl", "-n", "hw.memsize")
        found = {
            "chip": _told(host, "sysctl", "-n", "machdep.cpu.brand_string"),
            "os_build": _told(host, "sw_vers", "-buildVersion"),
            "memory": int(memory) if memory and memory.isdigit() else None,
            "gpu_cores": _gpu_cores(host),
        }
    else:
        name = re.search(r"^model name\s*: *(.+)$", host.read("/proc/cpuinfo") or "", re.MULTILINE)
        found = {
            "chip": name.group(1).strip() if name else None,
            "os_build": platform.release(),
            "memory": meminfo(host.root / "proc").get("MemTotal"),
        }
    return {**identity(host), **found, "cores": os.cpu_count(), "python": platform.python_version()}


@dataclass(frozen=True)
class Reading:
    """How it is now; None where the system does not tell.

    Attributes:
        thermal_state: nominal, fair, serious or critical.
        battery: from 0 to 1; None where it has none.
        low_power_mode: whether it saves power.
        power_source: ``AC Power`` or ``Battery Power``.
        temperature: °C of the hottest sensor.
        clock: MHz, mean of the processors.
        governor: what chooses the clock.
    """

    thermal_state: str | None = None
    battery: float | None = None
    low_power_mode: bool | None = None
    power_source: str | None = None
    temperature: float | None = None
    clock: float | None = None
    governor: str | None = None


def reading(host: Host) -> Reading:
    """How the machine is now."""
    return _mac(host) if is_mac() else _linux(host)


def thermal_state(host: Host) -> str | None:
    """What :class:`Reading` has of it, without the rest."""
    return _heat(host.run(("pmset", "-g", "therm"))) if is_mac() else None


def _mac(host: Host) -> Reading:
    power = host.run(("pmset", "-g", "batt")) or ""
    source = re.search(r"drawing from '([^']+)'", power)
    charge = re.search(r"(\d+)%", power)
    saving = re.search(r"^\s*lowpowermode\s+(\d)", host.run(("pmset", "-g")) or "", re.MULTILINE)
    return Reading(
        thermal_state=thermal_state(host),
        battery=int(charge.group(1)) / 100 if charge else None,
        low_power_mode=saving.group(1) == "1" if saving else None,
        power_source=source.group(1) if source else None,
    )


def _heat(said: str | None) -> str | None:
    """From ``pmset -g therm``: a note where nothing was recorded, else a level or a limit."""
    if not said:
        return None
    limits = [int(n) for n in re.findall(r"CPU_(?:Speed|Scheduler)_Limit\s*=\s*(\d+)", said)]
    levels = [int(n) for n in re.findall(r"(?i)warning level\s*[=:]\s*(\d+)", said)]
    limit, level = min(limits, default=100), max(levels, default=0)
    if limit < _CRITICAL:
        return "critical"
    if limit < _SERIOUS or level > 1:
        return "serious"
    if limit < 100 or level:
        return "fair"
    return "nominal" if limits or levels or "No thermal warning level" in said else None


def _linux(host: Host) -> Reading:
    zones = _numbers(host, "/sys/class/thermal/thermal_zone*/temp")
    clocks = _numbers(host, f"{_CPUS}/cpu*/cpufreq/scaling_cur_freq")
    governors = {host.read(path) for path in host.glob(f"{_CPUS}/cpu*/cpufreq/scaling_governor")}
    charge = _numbers(host, "/sys/class/power_supply/BAT*/capacity")
    mains = _numbers(host, "/sys/class/power_supply/A*/online")
    return Reading(
        battery=charge[0] / 100 if charge else None,
        power_source=("AC Power" if any(mains) else "Battery Power") if mains else None,
        temperature=max(zones) / 1000 if zones else None,
        clock=sum(clocks) / len(clocks) / 1000 if clocks else None,
        governor=", ".join(sorted(g.strip() for g in governors if g)) or None,
    )


def _gpu_cores(host: Host) -> int | None:
    said = host.run(("ioreg", "-rc", "AGXAccelerator", "-d", "1")) or ""
    found = re.search(r'"gpu-core-count" = (\d+)', said)
    return int(found.group(1)) if found else None


def _numbers(host: Host, pattern: str) -> list[int]:
    texts = [(host.read(path) or "").strip() for path in host.glob(pattern)]
    return [int(text) for text in texts if text.lstrip("-").isdigit()]


def _told(host: Host, *command: str) -> str | None:
    return (host.run(command) or "").strip() or None
