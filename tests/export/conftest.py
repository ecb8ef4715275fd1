"""A job that needs no torch, and workers that run other code."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobileo_export.processes import child_process
from tests.export.jobs import Job
from tests.process_tree import assert_ended, descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


@pytest.fixture
def job(tiny_checkpoint: Path, output: Path) -> Job:
    """The language model: the one component that converts without torch, in a second."""
    return {
        "id": "llm",
        "checkpoint": str(tiny_checkpoint),
        "component": "llm",
        "target": "ios",
        "output": str(output),
        "weights": "released",
        "precision": "float32",
        "license": "none",
        "llm_bits": 8,
        "llm_group_size": 64,
        "llm_exceptions": {},
        "layers_per_engine": None,
        "precision_plan": {},
    }


@pytest.fixture
def no_orphans() -> Iterator[None]:
    """See that a test leaves no process of its own."""
    before = set(descendants(os.getpid()))
    yield
    assert_ended(set(descendants(os.getpid())) - before)


@pytest.fixture
def replace_worker(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have every worker run the given code instead."""
    real = subprocess.Popen

    def replace(code: str) -> None:
        monkeypatch.setattr(
            subprocess,
            "Popen",
            lambda arguments, **options: real(child_process.code(code, *arguments[6:]), **options),
        )

    return replace
