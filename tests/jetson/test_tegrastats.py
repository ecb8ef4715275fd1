from __future__ import annotations

import sys
import time

import pytest

from mobileo_export.jetson import tegrastats

from . import recorded


def test_jetpack_6() -> None:
    sample = tegrastats.parse(recorded.TEGRASTATS_36)
    assert sample is not None
    assert (sample.ram, sample.ram_total, sample.swap) == (3645, 7620, 236)
    assert (sample.gpu_load, sample.gpu_clock) == (0, 305)
    assert sample.power == {"VDD_IN": 2957, "VDD_CPU_GPU_CV": 486, "VDD_SOC": 1012}
    assert sample.temperatures == {
        "cpu": 44.125,
        "soc2": 43.375,
        "soc0": 42.125,
        "gpu": 44.531,
        "tj": 44.531,
        "soc1": 43.156,
    }


def test_jetpack_7_with_averages_and_peaks_behind() -> None:
    sample = tegrastats.parse(recorded.TEGRASTATS_39)
    assert sample is not None
    assert (sample.gpu_load, sample.gpu_clock) == (33, None)
    assert sample.power["VDD_IN"] == 9761
    moment = tegrastats.parse(recorded.TEGRASTATS_NO_SWAP)
    assert moment is not None
    assert (moment.swap, moment.power["VDD_IN"], moment.temperatures["cpu"]) == (None, 4093, 47.562)


def test_sensors_that_are_off_do_not_count() -> None:
    sample = tegrastats.parse(recorded.TEGRASTATS_35)
    assert sample is not None
    assert "cv0" not in sample.temperatures
    assert sample.temperatures["tj"] == 46.968
    assert (sample.gpu_load, sample.gpu_clock) == (0, 305)


@pytest.mark.parametrize("line", ["", "tegrastats: command not found", "RAM", "SWAP 1/2MB"])
def test_other_lines_are_none(line: str) -> None:
    assert tegrastats.parse(line) is None


def test_summary() -> None:
    lines = (recorded.TEGRASTATS_36, recorded.TEGRASTATS_39, recorded.TEGRASTATS_NO_SWAP)
    samples = [sample for line in lines if (sample := tegrastats.parse(line))]
    summary = tegrastats.summarize(samples)
    assert summary is not None
    assert (summary.samples, summary.ram_before, summary.ram_peak) == (3, 3645, 5739)
    assert summary.swap_peak == 2047
    assert summary.power_mean == pytest.approx((2.957 + 9.761 + 4.093) / 3)
    assert summary.power_peak == 9.761
    assert summary.temperature_peak == 50.0
    assert summary.gpu_load_mean == 15.0
    assert summary.gpu_clock_lowest == 306  # of an idle GPU it means nothing
    assert tegrastats.summarize([]) is None


def test_a_monitor_samples_what_its_command_prints_and_ends_it() -> None:
    program = (
        "import sys, time\n"
        f"while True: print({recorded.TEGRASTATS_36!r}, flush=True); time.sleep(0.01)"
    )
    with tegrastats.Monitor((sys.executable, "-c", program)) as monitor:
        deadline = time.monotonic() + 20
        while len(monitor.samples) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert monitor._process is not None
    assert monitor._process.poll() is not None
    assert monitor.summary is not None
    assert monitor.summary.ram_peak == 3645


def test_a_monitor_without_tegrastats_has_no_summary() -> None:
    with tegrastats.Monitor(("no-such-command-anywhere",)) as monitor:
        pass
    assert monitor.summary is None
