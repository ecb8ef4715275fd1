"""What ``inspect`` tells of checkpoints, bundles and packages, and of what is none of them."""

from __future__ import annotations

import json
import math
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export import assets
from mobileo_export.components import COMPONENTS
from mobileo_export.compression.plan import load, parse
from mobileo_export.errors import BundleError, CheckpointError, UsageError
from mobileo_export.inspection import describe
from tests import surgery

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.command import Command
    from tests.exports import Exports


def test_a_checkpoint(tiny_checkpoint: Path) -> None:
    report = describe.inspect(tiny_checkpoint)
    assert report["kind"] == "checkpoint"
    assert [part["component"] for part in report["components"]] == list(COMPONENTS)
    tensors = surgery.load(tiny_checkpoint / "model.safetensors")
    assert report["tensors"] == len(tensors)
    nested = [name for name in tensors if name.startswith("base_model.model.")]
    assert report["nested_copies"]["count"] == len(nested) > 0
    listed = sum(part["tensors"] for part in report["components"])
    assert listed + report["training_only"]["tensors"] + len(nested) == len(tensors)
    dit = next(part for part in report["components"] if part["component"] == "dit")
    assert dit["parameters"] == sum(
        array.size for name, (_, array) in tensors.items() if name.startswith("model.dit.")
    )
    assert set(dit["dtypes"]) == {"BF16"}
    assert report["warnings"] == []
    json.dumps(report, allow_nan=False)


def test_what_is_wrong_with_a_checkpoint_is_a_warning(tiny_copy: Path) -> None:
    values = ("F32", np.zeros((2, 2), np.float32))
    surgery.change(tiny_copy, {"model.dit.proj_out.bias": None, "model.audio.weight": values})
    report = describe.inspect(tiny_copy)
    assert any("model.dit.proj_out.bias is missing" in text for text in report["warnings"])
    assert any("model.audio.weight is unexpected" in text for text in report["warnings"])


def test_an_infinite_difference_is_valid_json(command: Command, tiny_copy: Path) -> None:
    """A top-level tensor of zeros beside a nested copy of ones."""
    name = "model.dit.proj_out.bias"
    dtype, values = surgery.load(tiny_copy / "model.safetensors")[name]
    surgery.change(
        tiny_copy,
        {
            name: (dtype, np.zeros_like(values)),
            f"base_model.model.{name}": (dtype, np.full_like(values, 0x3F80)),
        },
    )
    shown = command("inspect", tiny_copy, "--json")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    report = json.loads(shown.out, parse_constant=refuse)
    assert report["nested_copies"]["largest_difference"] is None
    assert "beyond measure" in command("inspect", tiny_copy).out


def test_a_bundle(tiny_bundle: Path) -> None:
    report = describe.inspect(tiny_bundle)
    assert report["kind"] == "bundle"
    assert [part["component"] for part in report["components"]] == list(COMPONENTS)
    assert report["files"] == sum(1 for path in tiny_bundle.rglob("*") if path.is_file()) - 1
    for part in report["components"]:
        folder = tiny_bundle / part["path"]
        assert part["bytes"] == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert report["warnings"] == []


@pytest.fixture(scope="module")
def planned(exported: Exports) -> Path:
    """A part of the miniature, of which one scheme fits only some."""
    rules = {
        "vae_decoder": {"conv_in": "half", "*": "int4 block 32"},
        "mcp": {"*": "int8"},
    }
    plan = parse("plan", {"schema_version": 1, "components": rules})
    return exported(assets.miniature(), "mcp,vae_decoder", compression=plan)


def test_a_bundle_that_a_plan_made(planned: Path, command: Command, tmp_path: Path) -> None:
    report = describe.inspect(planned)
    mcp, decoder = report["components"]
    assert mcp["preset"] is decoder["preset"] is None
    assert mcp["options"]["forms"].keys() == {"int8"}
    assert len(mcp["matrices"]) == 8
    assert [b["phone"] for b in report["budgets"]] == ["6 GB", "8 GB"]
    shown = command("inspect", planned)
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert f"{mcp['options']['relative_error']:.2%}" in shown.out
    assert any(line.startswith("mcp as planned: 0.3 M int8; worst 0.") for line in lines)
    assert any("on all, else cpu_and_neural_engine, else cpu_only" in line for line in lines)
    left = next(line for line in lines if line.startswith("  exact, "))
    assert "(int4 block 32: 16 inputs are no multiple of 32)" in left
    assert left.count("(int4 block 32: ") == decoder["options"]["misfits"]

    broken = shutil.copytree(planned, tmp_path / "broken")
    (broken / mcp["compression_map"]).unlink()
    shown = command("inspect", broken)
    assert shown.code == 0
    assert "connector.compression.json cannot be read; see mobileo-export verify" in shown.err


def test_a_preset_is_recognised(exported: Exports) -> None:
    bundle = exported(assets.miniature(), "mcp,vae_decoder", compression=load("w8"))
    mcp, decoder = describe.inspect(bundle)["components"]
    assert "preset" not in mcp
    assert decoder["preset"] == "w8"
    assert decoder["options"]["misfits"] == 0


def test_a_bundle_that_lost_a_component(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    shutil.rmtree(bundle / "llm")
    content = json.loads((bundle / "manifest.json").read_text())
    del content["components"]["dit"]
    (bundle / "manifest.json").write_text(json.dumps(content))
    first, second = describe.inspect(bundle)["warnings"]
    assert first.startswith("llm is listed but missing")
    assert second == "made with --only: has no dit"


def test_a_folder_of_a_bundle_sends_to_the_bundle(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"llm: is a part of the bundle .*; inspect that"):
        describe.inspect(tiny_bundle / "llm")


def test_a_package(tiny_bundle: Path) -> None:
    report = describe.inspect(tiny_bundle / "connector.mlpackage")
    assert report["kind"] == "package"
    (tensor,) = report["inputs"]
    assert (tensor["name"], tensor["dtype"]) == ("stacked_hidden_states", "float32")
    assert tensor["shape"][:2] == [1, 4]
    assert (tensor["shape"][2]["min"], tensor["shape"][2]["max"]) == (8, 768)
    assert [tensor["name"] for tensor in report["outputs"]] == ["conditioning"]
    assert report["functions"] == ["main"]
    assert set(report["weights"]) == {"float32", "float16"}  # small ones, halved ones
    assert report["operations"]["linear"] == 6
    assert report["versions"]["mobileo_export.component"] == "mcp"
    assert report["license"] == "Random weights, no licence"


def test_weights_of_a_package_are_counted(tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    from mobileo_export.checkpoint.folder import Checkpoint

    tensors = COMPONENTS["dit"].tensors(Checkpoint.open(tiny_checkpoint).model)
    learned = sum(math.prod(shape) for shape in tensors.values())
    found = describe.inspect(tiny_bundle / "transformer.mlpackage")["parameters"]
    assert found == pytest.approx(learned, rel=0.02)  # small constants stand in the graph


def empty(package: Path) -> None:
    shutil.rmtree(package)
    package.mkdir()


def garbage(package: Path) -> None:
    (package / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"\xff" * 300)


def truncated(package: Path) -> None:
    os.truncate(package / "Data/com.apple.CoreML/model.mlmodel", 5000)


def nothing(package: Path) -> None:
    (package / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"")


def no_manifest(package: Path) -> None:
    (package / "Manifest.json").write_text("{}")


@pytest.mark.parametrize("damage", [empty, garbage, truncated, nothing, no_manifest])
def test_a_damaged_package(
    tiny_bundle: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    package = shutil.copytree(tiny_bundle / "connector.mlpackage", tmp_path / "x.mlpackage")
    damage(package)
    with pytest.raises(BundleError, match="mlpackage"):
        describe.inspect(package)


def test_things_that_are_nothing_of_ours(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        describe.inspect(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        describe.inspect(tmp_path)
    (tmp_path / "x.mlpackage").write_bytes(b"")
    with pytest.raises(BundleError):
        describe.inspect(tmp_path / "x.mlpackage")


# -- the command ---------------------------------------------------------------------------------


def sources(checkpoint: Path, bundle: Path) -> dict[str, Any]:
    return {
        "checkpoint": (checkpoint, ["training only", "vision_encoder", "K = 4", "nested copies"]),
        "bundle": (
            bundle,
            [
                *("transformer.mlpackage", "8-bit", "coremltools", "licence of the weights: none"),
                "on a phone of 6 GB 3.10 GB, with the entitlement 4.20 GB; of 8 GB 3.00 GB",
            ],
        ),
        "package": (bundle / "connector.mlpackage", ["stacked_hidden_states", "linear 6"]),
    }


@pytest.mark.parametrize("kind", ["checkpoint", "bundle", "package"])
def test_the_command_shows_it(
    command: Command, tiny_checkpoint: Path, tiny_bundle: Path, kind: str
) -> None:
    path, expected = sources(tiny_checkpoint, tiny_bundle)[kind]
    shown = command("inspect", path)
    assert (shown.code, shown.err) == (0, "")
    for text in expected:
        assert text in shown.out
    assert json.loads(command("inspect", path, "--json").out)["kind"] == kind


def test_a_path_with_brackets_is_shown_as_it_is(
    command: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "a[red]b[/bold]c")
    shown = command("inspect", bundle)
    assert shown.code == 0
    assert "a[red]b[/bold]c" in shown.out.replace("\n", "")


def test_the_command_refuses_in_one_line(command: Command, tmp_path: Path) -> None:
    shown = command("inspect", tmp_path / "nothing")
    assert shown.code == 2
    assert "no such file or folder" in shown.error()
