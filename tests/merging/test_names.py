"""Which tensor of the base a name means."""

from __future__ import annotations

import pytest

from mobileo_export.checkpoint.model_config import VISION
from mobileo_export.merging.names import find

BASE = {
    "model.layers.0.mlp.up_proj.weight",
    "model.vision_tower.vision_tower.model.conv_exp.weight",
    "model.dit.proj_out.weight",
    "lm_head.weight",
}


@pytest.mark.parametrize(
    "prefix",
    ["", "base_model.model.", "module.", "module.base_model.model.", "language_model.",
     "base_model.model.language_model.", "base_model."],
)  # fmt: skip
@pytest.mark.parametrize("name", sorted(BASE))
def test_wrappers_are_taken_off(prefix: str, name: str) -> None:
    assert find(prefix + name, BASE) == name


def test_parts_of_a_model_are_found() -> None:
    assert find("layers.0.mlp.up_proj.weight", BASE) == "model.layers.0.mlp.up_proj.weight"
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    assert find(name, BASE) == "model.layers.0.mlp.up_proj.weight"


@pytest.mark.parametrize("prefix", ["", "base_model.model.", "transformer.", "module."])
@pytest.mark.parametrize("name", ["model.dit.proj_out.weight", VISION + "conv_exp.weight"])
def test_a_part_that_was_trained_alone_is_found(prefix: str, name: str) -> None:
    inside = name.removeprefix("model.dit.").removeprefix(VISION)
    assert find(prefix + inside, BASE) == name


def test_a_name_of_two_parts_is_neither() -> None:
    assert find("norm.weight", {"model.dit.norm.weight", VISION + "norm.weight"}) is None


@pytest.mark.parametrize(
    "name", ["", "model.", "up_proj.weight", "x.model.dit.proj_out.weight", "model.lm_head.bias"]
)
def test_nothing_else_is_found(name: str) -> None:
    assert find(name, BASE) is None
