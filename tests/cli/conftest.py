"""The board's program, and a folder in which commands are tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mobileo_export.bundle.manifest import FORMAT
from tests.jetson.test_cli import Command as JetsonCommand


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> JetsonCommand:
    return JetsonCommand(monkeypatch, capsys)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with what looks like a bundle, a checkpoint folder and a picture."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text(json.dumps({"format": FORMAT}))
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path
