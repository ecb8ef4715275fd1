"""The tiny checkpoint, opened, and its tensors as another library reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobileo_export.checkpoint.folder import Checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    import torch


@pytest.fixture(scope="session")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


@pytest.fixture(scope="session")
def stored(tiny_checkpoint: Path) -> dict[str, torch.Tensor]:
    """Every tensor in float32, read by the safetensors library: independent of our reader."""
    from safetensors.torch import load_file

    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in load_file(tiny_checkpoint / "model.safetensors").items()
    }
