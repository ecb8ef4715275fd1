"""A file that is not what was planned is found when it is read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mobileo_export.artifacts.mlx.plan import plan
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.converters.mlx import structure, weights
from mobileo_export.errors import CheckpointError, ConversionError

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint

SCALES = "multi_modal_projector.linear_0.scales"
BIASES = "language_model.lm_head.biases"


@pytest.fixture
def written(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    planned = plan(checkpoint.model)
    path = tmp_path / "model.safetensors"
    weights.write(path, planned, weights.sources(checkpoint, planned, "released"))
    structure.check(path, planned)
    return path


def overwrite(path: Path, name: str, value: float) -> None:
    info = safetensors_file.read_header(path)[name]
    values = np.memmap(path, "<f2", "r+", info.offset, info.shape)
    values[-1, -1] = value
    values.flush()


@pytest.mark.parametrize(
    ("name", "value"), [(SCALES, 0.0), (SCALES, np.nan), (SCALES, -np.inf), (BIASES, np.inf)]
)
def test_finds_a_scale_or_bias_that_cannot_be(
    checkpoint: Checkpoint, written: Path, name: str, value: float
) -> None:
    overwrite(written, name, value)
    with pytest.raises(ConversionError, match=f"tensor {name} holds a value"):
        structure.check(written, plan(checkpoint.model))


def test_a_bias_may_be_zero(checkpoint: Checkpoint, written: Path) -> None:
    overwrite(written, BIASES, 0.0)
    structure.check(written, plan(checkpoint.model))


def test_finds_another_shape(checkpoint: Checkpoint, written: Path) -> None:
    with pytest.raises(ConversionError, match=r"biases is F16 \[512, 2\], planned F16 \[512, 4\]"):
        structure.check(written, plan(checkpoint.model, group_size=32))


def test_finds_a_tensor_too_much_and_one_too_few(checkpoint: Checkpoint, written: Path) -> None:
    whole, half = plan(checkpoint.model), plan(checkpoint.model, exceptions={"lm_head": 16})
    with pytest.raises(ConversionError, match=r"lm_head\.biases is F16 .*, planned absent"):
        structure.check(written, half)
    written.unlink()
    weights.write(written, half, weights.sources(checkpoint, half, "released"))
    with pytest.raises(ConversionError, match=r"lm_head\.biases is absent"):
        structure.check(written, whole)


def test_finds_a_truncated_file(checkpoint: Checkpoint, written: Path) -> None:
    written.write_bytes(written.read_bytes()[:-2])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        structure.check(written, plan(checkpoint.model))
