"""The tiny checkpoint as a base, and an adapter for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.checkpoint.folder import Checkpoint

from .adapters import DOWN, EMBEDDINGS, K, Q, factors, write

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="session")
def base(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


@pytest.fixture
def adapter(base: Checkpoint, tmp_path: Path) -> Path:
    """Three projections and the embeddings."""
    values: dict[str, NDArray[Any]] = {}
    for seed, module in enumerate((Q, K, DOWN, EMBEDDINGS)):
        values |= factors(base, module, seed=10 * seed)
    return write(tmp_path / "adapter", values)
