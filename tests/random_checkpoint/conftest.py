"""The tiny random checkpoint, opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobileo_export.checkpoint.folder import Checkpoint

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)
