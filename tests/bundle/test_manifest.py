"""What a bundle says of itself, compared with the checkpoint and the files it was made from."""

from __future__ import annotations

import json
import math
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import targets
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint, NestedCopies
from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.components import COMPONENTS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def content(tiny_bundle: Path) -> dict[str, Any]:
    return manifest.read(tiny_bundle)


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> ModelConfig:
    return Checkpoint.open(tiny_checkpoint).model


def test_components_say_what_the_registry_declares(
    content: dict[str, Any], model: ModelConfig
) -> None:
    assert set(content["components"]) == set(COMPONENTS)
    for name, spec in COMPONENTS.items():
        entry = content["components"][name]
        assert entry["title"] == spec.title
        assert tuple(map(manifest.tensor_spec, entry["inputs"])) == spec.inputs(model)
        assert tuple(map(manifest.tensor_spec, entry["outputs"])) == spec.outputs(model)
        (artifact,) = entry["artifacts"]
        assert artifact["path"] == targets.form(spec, "ios").path


def test_shapes_are_told_to_be_fixed_or_in_a_range(content: dict[str, Any]) -> None:
    shapes = {name: c["artifacts"][0]["shapes"] for name, c in content["components"].items()}
    assert shapes == {
        "vision_encoder": "fixed",
        "mcp": "range",
        "dit": "range",
        "vae_decoder": "fixed",
        "llm": "range",
    }


def test_parameters_are_learned_numbers_only(content: dict[str, Any], model: ModelConfig) -> None:
    assert content["components"]["dit"]["parameters"] == sum(
        math.prod(shape) for shape in COMPONENTS["dit"].tensors(model).values()
    )
    tensors = COMPONENTS["mcp"].tensors(model)
    learned = sum(math.prod(shape) for shape in tensors.values()) - 1  # temperature is a buffer
    assert content["components"]["mcp"]["parameters"] == learned


def test_the_files_listed_are_the_files_there(content: dict[str, Any], tiny_bundle: Path) -> None:
    there = {
        path.relative_to(tiny_bundle).as_posix(): path.stat().st_size
        for path in tiny_bundle.rglob("*")
        if path.is_file()
    }
    del there["manifest.json"]
    assert {item["path"]: item["size"] for item in content["files"]} == there
    for entry in content["components"].values():
        (artifact,) = entry["artifacts"]
        assert (tiny_bundle / artifact["path"]).is_dir()
        if artifact["operation_map"] is not None:
            assert artifact["operation_map"] in there


def test_operations_are_counted_as_the_package_has_them(
    content: dict[str, Any], tiny_bundle: Path
) -> None:
    from mobileo_export.inspection.describe import inspect_package

    for name in ("mcp", "vae_decoder"):
        (artifact,) = content["components"][name]["artifacts"]
        package = inspect_package(tiny_bundle / artifact["path"])
        assert artifact["operations"] == package["operations"]


def test_versions_are_those_installed(content: dict[str, Any]) -> None:
    assert content["tools"]["coremltools"] == metadata.version("coremltools")
    assert content["tools"]["torch"] == metadata.version("torch").partition("+")[0]


def test_text_is_sorted_and_names_no_place_and_no_time(
    tiny_bundle: Path, tiny_checkpoint: Path
) -> None:
    text = (tiny_bundle / "manifest.json").read_text()
    loaded = json.loads(text)
    assert text == json.dumps(loaded, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert str(tiny_checkpoint) not in text
    assert str(tiny_checkpoint.parent) not in text


def test_a_difference_without_bound_is_no_infinity_in_json() -> None:
    nested = NestedCopies(2, 1, 1, math.inf, "w", ())
    entry = manifest.nested_entry(nested)
    assert entry is not None
    assert entry["largest_difference"] is None
    json.dumps(entry, allow_nan=False)
    assert manifest.nested_entry(None) is None
