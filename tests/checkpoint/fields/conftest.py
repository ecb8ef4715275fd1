"""The variants of the tiny checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.checkpoint.fields.variants import Variants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def shared(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Variants:
    return Variants(tiny_checkpoint, tmp_path_factory.mktemp("fields") / "tiny")


@pytest.fixture
def variants(shared: Variants) -> Iterator[Variants]:
    yield shared
    shared.restore()
