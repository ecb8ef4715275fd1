"""What a target makes of the registry: forms, signatures, tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import targets
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, Dim
from mobileo_export.converters import registry

if TYPE_CHECKING:
    from pathlib import Path


def test_forms() -> None:
    forms = {name: targets.form(spec, "jetson") for name, spec in COMPONENTS.items()}
    assert {name: form.path for name, form in forms.items()} == {
        "vision_encoder": "vision_encoder.onnx",
        "mcp": "connector.onnx",
        "dit": "transformer.onnx",
        "vae_decoder": "vae_decoder.onnx",
        "llm": "llm",
    }
    assert {form.kind for form in forms.values()} == {"onnx"}
    assert {name: targets.form(spec, "ios") for name, spec in COMPONENTS.items()} == {
        "vision_encoder": targets.Form("vision_encoder.mlpackage", "mlpackage"),
        "mcp": targets.Form("connector.mlpackage", "mlpackage"),
        "dit": targets.Form("transformer.mlpackage", "mlpackage"),
        "vae_decoder": targets.Form("vae_decoder.mlpackage", "mlpackage"),
        "llm": targets.Form("llm", "mlx"),
    }


def test_signatures(tiny_checkpoint: Path) -> None:
    model = Checkpoint.open(tiny_checkpoint).model
    for spec in COMPONENTS.values():
        assert targets.inputs(spec, model, "ios") == spec.inputs(model)
        assert targets.outputs(spec, model, "ios") == spec.outputs(model)
    dit = COMPONENTS["dit"]
    for tensor in (*targets.inputs(dit, model, "jetson"), *targets.outputs(dit, model, "jetson")):
        assert tensor.shape[0] == Dim("B", 1, 2, 1)
    length: Any = targets.inputs(COMPONENTS["llm"], model, "jetson")[0].shape[1]
    assert (length.low, length.high) == (1, 1024)
    assert targets.context(model, "jetson") == 1024


@pytest.mark.parametrize("target", ["ios", "jetson"])
def test_a_package_that_takes_no_part_is_not_asked_for(target: Any) -> None:
    needed = {tool for spec in COMPONENTS.values() for tool in registry.of(spec, target).tools}
    assert ("coremltools" in needed) is (target == "ios")
    assert ("onnx" in needed) is (target == "jetson")


def test_the_size_of_an_artifact() -> None:
    files = [
        ("llm/llm.onnx", 1),
        ("llm/llm.onnx.data", 2),
        ("llm.txt", 4),
        ("a.onnx", 8),
        ("a.onnx.data", 16),
        ("a.onnx.database", 32),
    ]
    assert manifest.artifact_bytes(files, "llm") == 3
    assert manifest.artifact_bytes(files, "a.onnx") == 24
