"""Fixtures of the benchmark: bundles in parts, and a Mac."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.parity.golden.conftest import recorded  # noqa: F401 -- a fixture

from . import mac as macs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> macs.FakeMac:
    return macs.install(monkeypatch, tmp_path)
