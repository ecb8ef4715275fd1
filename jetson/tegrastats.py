"""``tegrastats``: memory, load, power and temperature of a Jetson while something runs.

A line, of L4T 36 and 39::

    09-21-2025 15:38:17 RAM 3645/7620MB (lfb 63x4MB) SWAP 236/3810MB (cached 0MB)
    CPU [1%@729,…] EMC_FREQ 0%@204 GR3D_FREQ 0%@[305] … tj@44.531C soc1@43.156C
    VDD_IN 2957mW/2957mW VDD_CPU_GPU_CV 486mW/486mW VDD_SOC 1012mW/1012mW

Of a pair or triple the first value is the one of the moment. A sensor at −256 °C is switched off.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

INTERVAL = 200  # milliseconds
TOTAL_RAIL = "VDD_IN"  # everything that the module takes
_OFF = -200.0

_RAM = re.compile(r"\bRAM (\d+)/(\d+)MB")
_SWAP = re.compile(r"\bSWAP (\d+)/(\d+)MB")
_GPU = re.compile(r"\bGR3D_FREQ (\d+)%(?:@\[?(\d+))?")
_TEMPERATURE = re.compile(r"\b([A-Za-z]\w*)@(-?\d+(?:\.\d+)?)C\b")
_RAIL = re.compile(r"\b(V\w+) (\d+)(?:mW)?/\d+")


@dataclass(frozen=True)
class Sample:
    """One line. Megabytes (of 1024² bytes), percent, MHz, °C, mW; None where it does not say."""

    ram: int
    ram_total: int
    swap: int | None
    gpu_load: int | None
    gpu_clock: int | None
    temperatures: dict[str, float]
    power: dict[str, int]


@dataclass(frozen=True)
class Summary:
    """Over the samples of a run.

    Attributes:
        samples: how many.
        ram_before: MB used in the first sample.
        ram_peak: MB used at most.
        swap_peak: MB.
        power_mean: W of the whole module.
        power_peak: W.
        temperature_peak: °C at the hottest junction.
        gpu_load_mean: percent.
        gpu_clock_lowest: MHz while the GPU was loaded.
    """

    samples: int
    ram_before: int
    ram_peak: int
    swap_peak: int | None
    power_mean: float | None
    power_peak: float | None
    temperature_peak: float | None
    gpu_load_mean: float | None
    gpu_clock_lowest: int | None

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def parse(line: str) -> Sample | None:
    """One line; None if it is none."""
    ram = _RAM.search(line)
    if ram is None:
        return None
    swap, gpu = _SWAP.search(line), _GPU.search(line)
    temperatures = {name.lower(): float(value) for name, value in _TEMPERATURE.findall(line)}
    return Sample(
        int(ram.group(1)),
        int(ram.group(2)),
        int(swap.group(1)) if swap else None,
        int(gpu.group(1)) if gpu else None,
        int(gpu.group(2)) if gpu and gpu.group(2) else None,
        {name: value for name, value in temperatures.items() if value > _OFF},
        {name: int(value) for name, value in _RAIL.findall(line)},
    )


def summarize(samples: Sequence[Sample]) -> Summary | None:
    """Over ``samples``; None without any."""
    if not samples:
        return None
    power = [s.power[TOTAL_RAIL] / 1000 for s in samples if TOTAL_RAIL in s.power]
    hottest = [max(s.temperatures.values()) for s in samples if s.temperatures]
    loads = [s.gpu_load for s in samples if s.gpu_load is not None]
    clocks = [s.gpu_clock for s in samples if s.gpu_clock is not None and s.gpu_load]
    swapped = [s.swap for s in samples if s.swap is not None]
    return Summary(
        len(samples),
        samples[0].ram,
        max(s.ram for s in samples),
        max(swapped, default=None),
        sum(power) / len(power) if power else None,
        max(power, default=None),
        max(hottest, default=None),
        sum(loads) / len(loads) if loads else None,
        min(clocks, default=None),
    )


@dataclass
class Monitor:
    """Runs ``tegrastats`` for the time of a block; ``summary`` is None where there is none."""

    command: Sequence[str] = ("tegrastats", "--interval", str(INTERVAL))
    samples: list[Sample] = field(default_factory=list)

    def __enter__(self) -> Monitor:
        self._process: subprocess.Popen[str] | None = None
        try:
            self._process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
            )
        except OSError:
            return self
        self._thread = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        process = self._process
        if process is None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        if process.poll() is None:
            process.kill()
            process.wait()
        self._thread.join(timeout=2)
        if process.stdout is not None:
            process.stdout.close()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with suppress(ValueError):  # closed under our feet
            for line in process.stdout:
                sample = parse(line)
                if sample is not None:
                    self.samples.append(sample)

    @property
    def summary(self) -> Summary | None:
        """Over what was sampled until now."""
        return summarize(list(self.samples))
