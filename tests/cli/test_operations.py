"""``mobileo-export inspect --operations``: the costliest operations of what is saved."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from mobileo_export.bench import operations
from mobileo_export.cli import operations_table

from ..command import Command


def test_a_bundle(tiny_bundle: Path, command: Command) -> None:
    done = command("inspect", tiny_bundle, "--operations", "--top", "3", "--tokens", "40")
    assert (done.code, done.err) == (0, "")
    assert "one call each, prompts of 40 tokens" in " ".join(done.out.split())
    for part in ("vision_encoder.mlpackage: ", "dit transformer.mlpackage: ", "llm llm: "):
        assert part in done.out
    assert "transformer.transformer_blocks.*.ff.conv_inverted" in done.out


@pytest.mark.parametrize("target", ["tiny_bundle", "tiny_jetson"])
def test_everything_as_json(target: str, request: pytest.FixtureRequest, command: Command) -> None:
    bundle: Path = request.getfixturevalue(target)
    done = command("inspect", bundle, "--operations", "--json", "--top", "4")
    assert (done.code, done.err) == (0, "")
    content = json.loads(done.out)
    assert content["kind"] == "bundle"
    assert content["tokens"] == 77
    assert len(content["artifacts"]) == 5
    for artifact in content["artifacts"]:
        assert len(artifact["operations"]) == 4
        assert sum(part["flops"] for part in artifact["modules"]) == artifact["flops"]
        assert artifact["operations"][0]["module"]
        assert 0 < artifact["peak"] < artifact["activations"]


def test_a_lone_package(tiny_bundle: Path, tmp_path: Path, command: Command) -> None:
    package = shutil.copytree(tiny_bundle / "transformer.mlpackage", tmp_path / "t.mlpackage")
    done = command("inspect", package, "--operations", "--json")
    assert (done.code, done.err) == (0, "")
    content = json.loads(done.out)
    assert content["kind"] == "package"
    (artifact,) = content["artifacts"]
    assert (artifact["component"], len(artifact["operations"])) == ("", operations.TOP)
    (package / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"\xff\xff")
    assert "is not a Core ML model" in command("inspect", package, "--operations").error()
    assert (
        "--tokens goes with a bundle"
        in command("inspect", package, "--operations", "--tokens", "9").error()
    )


def test_what_has_no_operations(tiny_bundle: Path, tmp_path: Path, command: Command) -> None:
    for place in ("miniature", tmp_path, tmp_path / "none"):
        done = command("inspect", place, "--operations")
        assert done.code == 2
        assert "neither a bundle nor a Core ML package" in done.error()
    assert (
        "--top is 0; choose 1 or more"
        in command("inspect", tiny_bundle, "--operations", "--top", "0").error()
    )
    assert (
        "N is 3, allowed are 8 to 768"
        in command("inspect", tiny_bundle, "--operations", "--tokens", "3").error()
    )


@pytest.mark.parametrize("width", [60, 80])
def test_tables_stay_whole_in_a_narrow_terminal(width: int, tiny_bundle: Path) -> None:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    operations_table.show(operations.report(tiny_bundle), console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert text.count("%") == 5 * operations.TOP, "the figures are whole, names are folded"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 FLOP"),
        (999, "999 FLOP"),
        (1e3, "1 kFLOP"),
        (999.7e9, "1 TFLOP"),
        (2.09e12, "2.09 TFLOP"),
    ],
)
def test_flops_are_written_for_people(count: float, text: str) -> None:
    assert operations_table.flops_text(count) == text
