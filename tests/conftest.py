"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from mobileo_export import components
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.export import run as export
from mobileo_export.random_checkpoint import write as random_checkpoint

from .command import Command

if TYPE_CHECKING:
    from pathlib import Path

# Nothing here may reach the network; a library that tries fails at once instead of waiting.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Timing varies on shared machines; continuous integration tries the same examples every time.
settings.register_profile("mobileo", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("mobileo")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint. Shared by the whole session: copy it before changing it."""
    return random_checkpoint.write(tmp_path_factory.mktemp("checkpoint") / "tiny", "tiny")


@pytest.fixture
def tiny_copy(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint in a folder of the test's own, to be damaged."""
    return shutil.copytree(tiny_checkpoint, tmp_path / "tiny")


@pytest.fixture(scope="session")
def tiny_bundle(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint exported whole. Shared by the session: copy it before changing it."""
    output = tmp_path_factory.mktemp("bundle") / "tiny"
    options = export.Options(components.select(None))
    export.export(Checkpoint.open(tiny_checkpoint), output, options, log=output.with_suffix(".log"))
    return output


@pytest.fixture(scope="session")
def tiny_jetson(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint exported for jetson. Shared by the session: copy before changing it."""
    output = tmp_path_factory.mktemp("jetson") / "tiny"
    options = export.Options(components.select(None), target="jetson")
    export.export(Checkpoint.open(tiny_checkpoint), output, options, log=output.with_suffix(".log"))
    return output


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line, called in this process."""
    return Command(monkeypatch, capsys)
