"""Names of tensors: of a reference's state, of the checkpoint, of what operations take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobileo_export.components import COMPONENTS
from mobileo_export.reference.names import checkpoint_names, matrix_of

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_tensor_of_a_state_has_its_checkpoint_name(
    component: str, checkpoint: Checkpoint
) -> None:
    spec = COMPONENTS[component]
    names = checkpoint_names(component, checkpoint)
    state = spec.reference(checkpoint, "released").state_dict()
    shapes = spec.tensors(checkpoint.model)
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
        name: shapes[names[name]] for name in state
    }


def test_the_matrix_of_an_operation(checkpoint: Checkpoint) -> None:
    tower = COMPONENTS["vision_encoder"].reference(checkpoint, "released")
    block = "tower.stages.3.blocks.0"
    assert matrix_of(tower, f"{block}.token_mixer.qkv") == f"{block}.token_mixer.qkv.weight"
    # What is multiplied into a convolution leaves its own name on the operation.
    assert matrix_of(tower, f"{block}.mlp.conv.bn") == f"{block}.mlp.conv.conv.weight"
    assert matrix_of(tower, f"{block}.layer_scale_2") == f"{block}.mlp.fc2.weight"
    assert matrix_of(tower, f"{block}.norm") is None
    assert matrix_of(tower, "nothing.like.this") is None
