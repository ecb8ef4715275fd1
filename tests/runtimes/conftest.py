"""A bundle with nothing but the language model, and copies of it to damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mobileo_export import components
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.export import run as export

Build = Callable[[int], Path]


@pytest.fixture(scope="session")
def llm_bundle(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A function from bits to a bundle, made once; the one of 4 bits has two exceptions."""
    made: dict[int, Path] = {}

    def build(bits: int) -> Path:
        if bits not in made:
            exceptions = {"lm_head": 8, "model.layers.*.o_proj": 16} if bits == 4 else {}
            folder = tmp_path_factory.mktemp(f"llm{bits}")
            options = export.Options(
                components.select("llm"), llm_bits=bits, llm_exceptions=exceptions
            )
            checkpoint = Checkpoint.open(tiny_checkpoint)
            export.export(checkpoint, folder / "bundle", options, log=folder / "log")
            made[bits] = folder / "bundle"
        return made[bits]

    return build


@pytest.fixture
def copied(llm_bundle: Build, tmp_path: Path) -> Path:
    """The bundle of 8 bits, the test's own."""
    return Path(shutil.copytree(llm_bundle(8), tmp_path / "bundle"))
