"""What the processor does at most: the best of several tries, in several ways."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

import pytest

from mobileo_export.bench import machine_peak


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_peak, "_SECONDS", 0.0)
    monkeypatch.setattr(machine_peak, "_EDGE", 64)
    monkeypatch.setattr(machine_peak, "_COPIED", (1 << 10, 1 << 16))


@pytest.mark.parametrize("torch", [True, False])
def test_a_product_and_a_copy_are_tried(torch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if torch:
        importlib.import_module("torch")
    else:
        monkeypatch.delitem(sys.modules, "torch", raising=False)
    found = machine_peak.measure()
    assert 1e6 < found.flops < 1e14
    assert 1e6 < found.bandwidth < 1e14
    assert found.as_json() == {"flops": found.flops, "bandwidth": found.bandwidth}


def test_the_best_try_counts() -> None:
    """A clock that says half a second of a call, then a quarter, then half a second again."""
    said = iter([0.0, 0.0, 0.5, 0.5, 0.75, 0.75, 1.25, 9.0])
    assert machine_peak._quickest(lambda: None, lambda: next(said)) == 0.25


def test_the_best_way_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two ways to multiply and one to copy; calls at once are as many as there are cores."""
    seconds = {"slow": 2.0, "fast": 0.5, "copy": 1.0}
    now = [0.0]

    def taking(name: str) -> Callable[[], Callable[[], object]]:
        def call() -> None:
            now[0] += seconds[name]

        return lambda: call

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr(machine_peak, "_products", lambda: [taking("slow"), taking("fast")])
    monkeypatch.setattr(machine_peak, "_copies", lambda size: [taking("copy")])
    found = machine_peak.measure(lambda: now[0])
    assert found == machine_peak.MachinePeak(2 * 64**3 / 0.5, 2 * (1 << 16) / 1.0)
