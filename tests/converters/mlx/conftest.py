"""The tiny checkpoint, opened, and copies of it with other tensors."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter

if TYPE_CHECKING:
    from pathlib import Path

# Tensor name -> dtype in the file and raw values, or None to leave the tensor out.
Changes = Mapping[str, "tuple[str, Any] | None"]
Rewrite = Callable[[Changes], Checkpoint]


@pytest.fixture(scope="session")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


@pytest.fixture
def rewritten(tiny_checkpoint: Path, tmp_path: Path) -> Rewrite:
    """Copy the tiny checkpoint with some tensors replaced, added or left out."""

    def rewrite(changes: Changes) -> Checkpoint:
        folder = tmp_path / "rewritten"
        shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("model.safetensors"))
        old = safetensors_file.read_header(tiny_checkpoint / "model.safetensors")
        tensors: dict[str, Any] = {
            name: (info.dtype, safetensors_file.raw(info)) for name, info in old.items()
        }
        tensors |= changes
        tensors = {name: entry for name, entry in tensors.items() if entry is not None}
        plan = {name: (dtype, values.shape) for name, (dtype, values) in tensors.items()}
        with SafetensorsWriter(folder / "model.safetensors", plan) as writer:
            for name, (_, values) in tensors.items():
                writer.write(name, values)
        return Checkpoint.open(folder)

    return rewrite
