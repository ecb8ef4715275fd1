"""A bundle with nothing but the language model, and copies of it to damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exports import Exports

Build = Callable[[int], Path]


@pytest.fixture(scope="session")
def llm_bundle(tiny_checkpoint: Path, exported: Exports) -> Build:
    """A function from bits to a bundle; the one of 4 bits has two exceptions."""

    def build(bits: int) -> Path:
        exceptions = {"lm_head": 8, "model.layers.*.o_proj": 16} if bits == 4 else {}
        return exported(tiny_checkpoint, "llm", llm_bits=bits, llm_exceptions=exceptions)

    return build


@pytest.fixture
def copied(llm_bundle: Build, tmp_path: Path) -> Path:
    """The bundle of 8 bits, the test's own."""
    return Path(shutil.copytree(llm_bundle(8), tmp_path / "bundle"))
