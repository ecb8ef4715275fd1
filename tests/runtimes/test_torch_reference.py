from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.runtimes.base import Runtime, Session
from mobileo_export.runtimes.torch_reference import TorchRuntime, TorchSession

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


def load(checkpoint: Checkpoint, component: str) -> TorchSession:
    return TorchRuntime().load_component(checkpoint, component, "released")


@pytest.mark.parametrize("name", COMPONENTS)
def test_arrays_in_and_out_under_the_signatures_names(checkpoint: Checkpoint, name: str) -> None:
    component = COMPONENTS[name]
    inputs = component.example_inputs(checkpoint.model)
    session = load(checkpoint, name)
    outputs = session.run(inputs)
    specs = component.outputs(checkpoint.model)
    assert list(outputs) == [spec.name for spec in specs]
    with torch.inference_mode():
        returned = session.module(*(torch.from_numpy(array) for array in inputs.values()))
    expected = returned if isinstance(returned, tuple) else (returned,)
    for spec, array, tensor in zip(specs, outputs.values(), expected, strict=True):
        assert array.shape == spec.at()
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, tensor.numpy())


def test_order_strides_and_read_only_arrays_do_not_matter(checkpoint: Checkpoint) -> None:
    session = load(checkpoint, "dit")
    inputs = COMPONENTS["dit"].example_inputs(checkpoint.model)
    expected = session.run(inputs)["velocity"]
    changed = {
        name: np.ascontiguousarray(array[..., ::-1])[..., ::-1]
        for name, array in reversed(inputs.items())
    }
    for array in changed.values():
        array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(session.run(changed)["velocity"], expected)


def test_inputs_are_checked(checkpoint: Checkpoint) -> None:
    session = load(checkpoint, "mcp")
    states = COMPONENTS["mcp"].example_inputs(checkpoint.model)["stacked_hidden_states"]
    with pytest.raises(UsageError, match="dtype float64, expected float32"):
        session.run({"stacked_hidden_states": states.astype(np.float64)})
    with pytest.raises(UsageError, match="N 8 to 768"):
        session.run({"stacked_hidden_states": states[:, :, :7]})


def test_image_features_are_optional(checkpoint: Checkpoint) -> None:
    session = load(checkpoint, "llm")
    model = checkpoint.model
    inputs = COMPONENTS["llm"].example_inputs(model, T=12)
    assert session.run(inputs)["stacked_hidden_states"].shape[2] == 12
    inputs["input_ids"][0, 3] = tokenizer_files.special_ids(checkpoint.path).image_token_id
    shape = (1, model.vision.num_tokens, model.vision.feature_dim)
    inputs["image_features"] = np.ones(shape, np.float32)
    length = session.run(inputs)["stacked_hidden_states"].shape[2]
    assert length == 12 - 1 + model.vision.num_tokens


def test_weights_are_chosen(checkpoint: Checkpoint) -> None:
    inputs = COMPONENTS["mcp"].example_inputs(checkpoint.model)
    released = load(checkpoint, "mcp").run(inputs)["conditioning"]
    session = TorchRuntime().load_component(checkpoint, "mcp", "post-trained")
    assert not np.allclose(session.run(inputs)["conditioning"], released, atol=1e-4)


def test_it_is_a_runtime_of_checkpoints_not_of_artifacts(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    runtime: Runtime = TorchRuntime()
    with pytest.raises(BundleError, match=r"transformer\.mlpackage"):
        runtime.load(tmp_path / "transformer.mlpackage")
    session = load(checkpoint, "mcp")
    assert isinstance(session, Session)
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session.run(COMPONENTS["mcp"].example_inputs(checkpoint.model))
