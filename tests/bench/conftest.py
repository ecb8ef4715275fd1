"""Fixtures of the benchmark: bundles in parts, and a Mac."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mobileo_export.bench import machine_peak, workload
from mobileo_export.bench.bundle_cost import BundleCost
from tests.parity.golden.conftest import recorded  # noqa: F401 -- a fixture

from . import mac as macs


@cache
def cost_of(bundle: Path) -> BundleCost:
    """The cost of a bundle that no test changes; what was counted is not counted again."""
    cost: Any = BundleCost(bundle)
    cost.calls, cost.reads = cache(cost.calls), cache(cost.reads)
    return cost


@pytest.fixture(autouse=True)
def counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every document of a benchmark states the work of its bundle."""
    monkeypatch.setattr(workload, "BundleCost", cost_of)


@pytest.fixture
def known_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the processor does at most is not measured, which takes two seconds."""
    monkeypatch.setattr(machine_peak, "measure", lambda: machine_peak.MachinePeak(1e12, 1e11))


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> macs.FakeMac:
    return macs.install(monkeypatch, tmp_path)
