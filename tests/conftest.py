"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from mobileo_export import random_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

# Nothing here may reach the network; a library that tries fails at once instead of waiting.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint. Shared by the whole session: copy it before changing it."""
    return random_checkpoint.write(tmp_path_factory.mktemp("checkpoint") / "tiny", "tiny")


@pytest.fixture
def tiny_copy(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint in a folder of the test's own, to be damaged."""
    return shutil.copytree(tiny_checkpoint, tmp_path / "tiny")
