"""The tiny tokenizer in a folder of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobileo_export.random_checkpoint import tokenizer as random_tokenizer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the tiny tokenizer and nothing else."""
    random_tokenizer.write_small(tmp_path, 512)
    return tmp_path
