"""Fixtures of the benchmark: bundles in parts, and a Mac."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobileo_export.bench import machine_peak
from tests.parity.golden.conftest import recorded  # noqa: F401 -- a fixture

from . import mac as macs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def known_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the processor does at most is not measured, which takes two seconds."""
    monkeypatch.setattr(machine_peak, "measure", lambda: machine_peak.MachinePeak(1e12, 1e11))


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> macs.FakeMac:
    return macs.install(monkeypatch, tmp_path)
