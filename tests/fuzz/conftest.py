"""A corpus without a golden trace, which would take longer than all cases of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from . import corpus, worker

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def inputs(
    tiny_checkpoint: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The corpus. Shared by the session: cases take links to its files."""
    folder = tmp_path_factory.mktemp("fuzz") / "corpus"
    corpus.build(folder, tiny_checkpoint, tiny_bundle, golden=False)
    worker.warm(folder, tmp_path_factory.mktemp("warm"))
    return folder
