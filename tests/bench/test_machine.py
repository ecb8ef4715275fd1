"""What a machine says of itself, in the words of its tools and files."""

from __future__ import annotations

import platform
import sys
import threading
from pathlib import Path

import pytest

from mobileo_export import memory
from mobileo_export.bench import machine
from mobileo_export.bench.machine import Reading
from mobileo_export.bench.meter import Meter
from mobileo_export.processes.host import Host

from .mac import NOMINAL, THROTTLED, FakeMac


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (NOMINAL, "nominal"),
        (THROTTLED, "serious"),
        ("CPU_Speed_Limit = 100\n", "nominal"),
        ("CPU_Speed_Limit \t= 90\n", "fair"),
        ("CPU_Scheduler_Limit = 40\nCPU_Speed_Limit = 100\n", "critical"),
        ("Thermal Warning Level = 1\n", "fair"),
        ("Thermal Warning Level = 2\n", "serious"),
        ("Error: no such thing\n", None),
        ("", None),
    ],
)
def test_the_heat_of_a_mac(mac: FakeMac, said: str, state: str | None) -> None:
    mac.said["pmset", "-g", "therm"] = said
    assert machine.reading(mac.host).thermal_state == state


def test_a_mac_without_a_battery_and_one_that_saves_power(mac: FakeMac) -> None:
    mac.said["pmset", "-g", "batt"] = "Now drawing from 'AC Power'\n"
    mac.said["pmset", "-g"] = " lowpowermode         1\n"
    assert machine.reading(mac.host) == Reading("nominal", None, True, "AC Power")
    assert machine.describe(mac.host)["gpu_cores"] == 19
    mac.said.clear()
    assert machine.reading(mac.host) == Reading()
    told = machine.describe(mac.host)
    assert (told["model"], told["chip"], told["memory"]) == (None, None, None)
    assert told["gpu_cores"] is None


FILES = {
    "proc/cpuinfo": "processor : 0\nmodel name\t: AMD EPYC 7763\n",
    "proc/meminfo": "MemTotal: 1024 kB\n",
    "sys/class/thermal/thermal_zone0/temp": "41000\n",
    "sys/class/thermal/thermal_zone1/temp": "63500\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2000000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "3000000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
    "sys/class/power_supply/BAT0/capacity": "57\n",
    "sys/class/power_supply/AC/online": "0\n",
}


def test_a_pc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    host = Host(tmp_path, lambda words: None)
    found = machine.reading(host)
    assert found == Reading(None, 0.57, None, "Battery Power", 63.5, 2500.0, "powersave")
    told = machine.describe(host)
    assert (told["chip"], told["memory"], told["model"]) == ("AMD EPYC 7763", 1024**2, None)
    (tmp_path / "sys/class/power_supply/AC/online").write_text("1\n")
    assert machine.reading(host).power_source == "AC Power"


def test_a_pc_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    host = Host(tmp_path, lambda words: None)
    assert machine.reading(host) == Reading()
    assert machine.describe(host)["chip"] is None


def test_the_right_meter_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "smaps_rollup").write_text("55d0-7ffe\nRss: 900 kB\nPss:  400 kB\n")
    assert memory.footprint(tmp_path) == 400 * 1024
    assert memory.footprint(tmp_path / "none") == 0
    assert memory.footprint(usage=lambda: (7, 9)) == 7
    assert memory.most_footprint(usage=lambda: (7, 9)) == 9
    assert memory.footprint(usage=lambda: None) == 0
    assert memory.most_footprint(usage=lambda: None) is None
    assert memory.footprint() > 10 << 20  # this process


def test_a_stage_is_watched_and_looked_at() -> None:
    sizes, seen = [3 << 20, 9 << 20, 5 << 20], threading.Event()

    def read() -> int:
        if len(sizes) > 1:
            return sizes.pop()
        seen.set()
        return sizes[0]

    meter = Meter(read, lambda: None, interval=0.001)
    with meter.watch("dit_step"):
        assert seen.wait(60)
    meter.look("mcp")
    assert meter.peaks == {"dit_step": 9 << 20, "mcp": 3 << 20}
    assert meter.as_json() == {"peak_footprint_mb": 9.0, "by_stage": {"dit_step": 9.0, "mcp": 3.0}}
    silent = Meter(lambda: 0, lambda: None)
    silent.look("dit_step")
    assert silent.as_json() == {"peak_footprint_mb": None, "by_stage": {}}


class FakeMLX:
    """What MLX has of a counter."""

    def __init__(self) -> None:
        self.peak = 99 << 20

    def reset_peak_memory(self) -> None:
        self.peak = 0

    def get_peak_memory(self) -> int:
        return self.peak


def test_mlx_counts_from_the_warm_ups_of_a_stage_to_its_last_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mlx = FakeMLX()
    monkeypatch.setitem(sys.modules, "mlx.core", mlx)
    meter = Meter(lambda: 1 << 20, lambda: None)
    with meter.watch("preprocessing"):
        pass
    assert meter.as_json().keys() == {"peak_footprint_mb", "by_stage"}  # MLX computed nothing
    with meter.watch("dit_step"):
        mlx.peak = 5 << 20
    mlx.peak = 7 << 20  # in a run that counts
    meter.look("dit_step")
    with meter.watch("vae_decoder"):
        mlx.peak = 6 << 20
    found = meter.as_json()
    assert found["mlx_by_stage"] == {"dit_step": 7.0, "vae_decoder": 6.0}
    assert found["mlx_peak_mb"] == 7.0


def test_without_mlx_nothing_is_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mlx.core", raising=False)
    meter = Meter(lambda: 1 << 20, lambda: None)
    with meter.watch("dit_step"):
        pass
    assert meter.as_json().keys() == {"peak_footprint_mb", "by_stage"}
    assert "mlx.core" not in sys.modules


def test_the_sampling_ends_with_the_block() -> None:
    looked: list[int] = []

    def read() -> int:
        looked.append(1)
        return 1

    meter = Meter(read, lambda: None, interval=0.001)
    with pytest.raises(KeyboardInterrupt), meter.watch("a"):
        raise KeyboardInterrupt
    seen = len(looked)
    meter.look("a")
    assert len(looked) == seen + 1
