from __future__ import annotations

from pathlib import Path

import pytest

from . import bundles


@pytest.fixture
def bundle(tmp_path: Path, tiny_checkpoint: Path) -> Path:
    """A jetson bundle of two small graphs, of the test's own."""
    return bundles.write(tmp_path / "bundle", tiny_checkpoint)
