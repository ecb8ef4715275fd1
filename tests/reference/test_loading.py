from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mobileo_export.checkpoint.folder import Checkpoint, Weights
from mobileo_export.components import COMPONENTS, ComponentSpec
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.random_checkpoint import write as random_checkpoint
from mobileo_export.reference import loading

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

every_component = pytest.mark.parametrize("component", COMPONENTS.values(), ids=COMPONENTS)


class RecordingCheckpoint(Checkpoint):
    """Remembers every array that it gave away."""

    given: dict[str, NDArray[Any]]

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        array = super().read(name, weights)
        self.given = {**self.__dict__.get("given", {}), name: array}
        return array


def tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@every_component
def test_module_is_ready_to_run(checkpoint: Checkpoint, component: ComponentSpec) -> None:
    module = component.reference(checkpoint, "released")
    assert not module.training
    for name, tensor in tensors(module).items():
        assert not tensor.is_meta, name
        assert not tensor.requires_grad, name
        wanted = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
        assert tensor.dtype == wanted, name


@every_component
def test_its_libraries_are_what_it_is_built_from(
    checkpoint: Checkpoint, component: ComponentSpec
) -> None:
    """A worker imports them before it forks, and nothing else."""
    classes = {
        type(part).__module__ for part in component.reference(checkpoint, "released").modules()
    }
    foreign = {name for name in classes if not name.startswith(("torch.", "mobileo_export."))}
    assert foreign >= set(component.libraries)
    tops = {name.partition(".")[0] for name in component.libraries}
    assert {name.partition(".")[0] for name in foreign} == tops


@every_component
def test_outputs_follow_the_signature(checkpoint: Checkpoint, component: ComponentSpec) -> None:
    module = component.reference(checkpoint, "released")
    inputs = component.example_inputs(checkpoint.model)
    with torch.inference_mode():
        returned = module(*(torch.from_numpy(array) for array in inputs.values()))
    outputs = returned if isinstance(returned, tuple) else (returned,)
    specs = component.outputs(checkpoint.model)
    assert [tuple(output.shape) for output in outputs] == [spec.at() for spec in specs]
    assert all(output.dtype == torch.float32 and output.isfinite().all() for output in outputs)


@every_component
def test_values_are_read_once_and_never_copied(
    tiny_checkpoint: Path, component: ComponentSpec
) -> None:
    checkpoint = RecordingCheckpoint.open(tiny_checkpoint)
    assert isinstance(checkpoint, RecordingCheckpoint)
    state = component.reference(checkpoint, "released").state_dict()
    held = sorted(tensor.data_ptr() for tensor in state.values())
    given = sorted(array.ctypes.data for array in checkpoint.given.values())
    assert held == given
    unused = component.tensors(checkpoint.model).keys() - checkpoint.given.keys()
    assert unused <= {"model.vision_tower.vision_tower.model.head.proj"}
    assert checkpoint.given.keys() <= component.tensors(checkpoint.model).keys()


@every_component
def test_values_are_the_stored_ones(
    checkpoint: Checkpoint, stored: dict[str, torch.Tensor], component: ComponentSpec
) -> None:
    def fingerprints(group: dict[str, torch.Tensor]) -> list[tuple[tuple[int, ...], bytes]]:
        return sorted((tuple(t.shape), t.numpy().tobytes()) for t in group.values())

    wanted = {
        name: stored[name]
        for name in component.tensors(checkpoint.model)
        if not name.endswith("head.proj")
    }
    state = component.reference(checkpoint, "released").state_dict()
    assert fingerprints(state) == fingerprints(wanted)


@every_component
def test_post_trained_takes_the_nested_copies(
    checkpoint: Checkpoint, component: ComponentSpec
) -> None:
    released = component.reference(checkpoint, "released").state_dict()
    post_trained = component.reference(checkpoint, "post-trained").state_dict()
    changed = sum(not torch.equal(released[name], post_trained[name]) for name in released)
    nested = [name for name in component.tensors(checkpoint.model) if name in checkpoint.nested]
    assert bool(changed) == bool(nested)
    # Only counters and fixed scalars may be equal in both.
    assert changed >= 0.8 * len(nested)


def test_post_trained_needs_nested_copies(tmp_path: Path) -> None:
    path = random_checkpoint.write(tmp_path / "plain", "tiny", nested=False)
    with pytest.raises(UsageError, match="--weights released"):
        COMPONENTS["mcp"].reference(Checkpoint.open(path), "post-trained")


@every_component
def test_a_missing_tensor_is_named_before_anything_is_built(
    tiny_checkpoint: Path, component: ComponentSpec
) -> None:
    checkpoint = Checkpoint.open(tiny_checkpoint)
    assert checkpoint.model
    name = [*component.tensors(checkpoint.model)][-1]
    del checkpoint.top_level[name]
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        component.reference(checkpoint, "released")


class Scaled(torch.nn.Module):
    """One stored tensor and one computed buffer that nobody computes."""

    def __init__(self, size: int, computed: bool) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(size))
        if computed:
            self.register_buffer("frequencies", torch.ones(3), persistent=False)


def test_tensors_of_another_network_are_refused(checkpoint: Checkpoint) -> None:
    names = {"weight": "model.norm.weight"}
    size = checkpoint.model.llm.hidden_size
    with pytest.raises(CheckpointError, match="size mismatch for weight"):
        loading.load(lambda: Scaled(size + 1, False), names, checkpoint, "released")
    with pytest.raises(CheckpointError, match="Missing key"):
        loading.load(lambda: Scaled(size, False), {}, checkpoint, "released")
    loaded = loading.load(lambda: Scaled(size, False), names, checkpoint, "released")
    np.testing.assert_array_equal(
        loaded.weight.numpy(), checkpoint.read("model.norm.weight", "released")
    )


def test_a_computed_buffer_left_on_meta_is_a_bug_not_a_surprise(checkpoint: Checkpoint) -> None:
    size = checkpoint.model.llm.hidden_size
    with pytest.raises(AssertionError, match=r"Scaled\.frequencies"):
        loading.load(
            lambda: Scaled(size, True), {"weight": "model.norm.weight"}, checkpoint, "released"
        )
