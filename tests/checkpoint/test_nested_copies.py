"""The copies of post-trained weights inside a checkpoint: read, compared and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.folder import NESTED, Checkpoint, Weights
from mobileo_export.checkpoint.model_config import MCP, PROJECTOR
from mobileo_export.errors import CheckpointError, UsageError
from tests import surgery
from tests.checkpoint.folders import BIAS, bfloat16

if TYPE_CHECKING:
    from pathlib import Path


def test_the_chosen_copy_is_read(tiny_copy: Path) -> None:
    surgery.change(tiny_copy, {BIAS: bfloat16(*[1.0] * 128), NESTED + BIAS: bfloat16(*[2.0] * 128)})
    checkpoint = Checkpoint.open(tiny_copy)
    assert (checkpoint.read(BIAS, "released") == 1).all()
    assert (checkpoint.read(BIAS, "post-trained") == 2).all()
    assert checkpoint.info(BIAS, "post-trained").name == NESTED + BIAS
    # What the last stage froze has one copy only, and it is the one to take.
    assert checkpoint.info("model.norm.weight", "post-trained").name == "model.norm.weight"
    with pytest.raises(CheckpointError, match="tensor nowhere is missing"):
        checkpoint.info("nowhere", "post-trained")


def without_nested(folder: Path) -> Checkpoint:
    names = Checkpoint.open(folder).nested
    surgery.change(folder, {NESTED + name: None for name in names})
    return Checkpoint.open(folder)


def test_post_trained_weights_have_to_exist(tiny_copy: Path) -> None:
    Checkpoint.open(tiny_copy).require_weights("post-trained")
    checkpoint = without_nested(tiny_copy)
    checkpoint.require_weights("released")
    assert checkpoint.compare_nested() is None
    with pytest.raises(UsageError, match="no nested copies .* use --weights released"):
        checkpoint.require_weights("post-trained")


@pytest.mark.parametrize("weights", ["released", "post-trained"])
def test_copies_are_compared_as_one_is_hashed(
    tiny_copy: Path, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    surgery.change(tiny_copy, {NESTED + BIAS: bfloat16(*[2.0] * 128)})
    checkpoint = Checkpoint.open(tiny_copy)
    compared: dict[str, float] = {}
    names = checkpoint.top_level
    found = checkpoint.digest(names, weights, compared)
    assert found == checkpoint.digest(names, weights)
    assert compared.keys() == checkpoint.nested.keys()
    nested = checkpoint.compare_nested()
    monkeypatch.setattr(safetensors_file, "blocks", None)  # nothing is read again
    assert checkpoint.compare_nested(compared) == nested


def test_identical_copies_are_counted(tiny_copy: Path) -> None:
    checkpoint = Checkpoint.open(tiny_copy)
    tensors = surgery.load(tiny_copy / "model.safetensors")
    surgery.change(tiny_copy, {NESTED + name: tensors[name] for name in checkpoint.nested})
    nested = Checkpoint.open(tiny_copy).compare_nested()
    assert nested is not None
    assert (nested.count, nested.identical, nested.differing) == (222, 222, 0)
    assert (nested.largest_difference, nested.largest_name, nested.orphans) == (0.0, "", ())


def test_differing_and_orphaned_copies_are_reported(tiny_copy: Path) -> None:
    checkpoint = Checkpoint.open(tiny_copy)
    tensors = surgery.load(tiny_copy / "model.safetensors")
    changes: dict[str, surgery.Tensor | None] = {
        NESTED + name: tensors[name] for name in checkpoint.nested
    }
    changes[BIAS] = bfloat16(*[3.0, 4.0] * 64)
    changes[NESTED + BIAS] = bfloat16(*[3.0, 4.5] * 64)
    changes[MCP + "layer_weights"] = bfloat16(1, 1, 1, 1)
    changes[NESTED + MCP + "layer_weights"] = bfloat16(1, 1, 1, 1.0078125)
    changes[NESTED + MCP + "surprise"] = bfloat16(1)
    changes[NESTED + PROJECTOR + "0.bias"] = bfloat16(1)
    surgery.change(tiny_copy, changes)
    nested = Checkpoint.open(tiny_copy).compare_nested()
    assert nested is not None
    assert (nested.count, nested.identical, nested.differing) == (223, 219, 2)
    assert nested.largest_name == BIAS
    assert nested.largest_difference == pytest.approx(0.1, rel=1e-6)
    assert set(nested.orphans) == {NESTED + MCP + "surprise", NESTED + PROJECTOR + "0.bias"}


def test_a_copy_with_nan_differs_most(tiny_copy: Path) -> None:
    surgery.change(tiny_copy, {NESTED + BIAS: bfloat16(*[float("nan")] * 128)})
    nested = Checkpoint.open(tiny_copy).compare_nested()
    assert nested is not None
    assert (nested.largest_name, nested.largest_difference) == (BIAS, float("inf"))
