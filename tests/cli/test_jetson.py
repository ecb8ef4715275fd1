"""The commands that know of a jetson bundle: export's options, inspect, and the pipelines."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from mobileo_export.bundle import manifest

if TYPE_CHECKING:
    from pathlib import Path

    from ..command import Command


def test_a_dry_run_names_what_would_be_written(
    command: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    done = command(
        "export", tiny_checkpoint, "-o", tmp_path / "b", "--target", "jetson", "--dry-run", "--json"
    )
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    names = [item["artifact"] for item in plan["components"]]
    assert names == [
        "vision_encoder.onnx",
        "connector.onnx",
        "transformer.onnx",
        "vae_decoder.onnx",
        "llm",
    ]
    assert not (tmp_path / "b").exists()


def test_the_estimate_is_near(
    command: Command, tiny_checkpoint: Path, tiny_jetson: Path, tmp_path: Path
) -> None:
    done = command(
        "export", tiny_checkpoint, "-o", tmp_path / "b", "--target", "jetson", "--dry-run", "--json"
    )
    planned = {item["artifact"]: item["bytes"] for item in json.loads(done.out)["components"]}
    files = [(f["path"], f["size"]) for f in manifest.read(tiny_jetson)["files"]]
    for path, expected in planned.items():
        assert 0.9 < manifest.artifact_bytes(files, path) / expected < 1.1, path


def test_a_plan_goes_with_half_precision_only(
    command: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text("{}")
    done = command(
        "export",
        tiny_checkpoint,
        "-o",
        tmp_path / "b",
        "--target",
        "jetson",
        "--precision-plan",
        plan,
    )
    assert done.code == 2
    assert done.error() == "--precision-plan goes with --target jetson --precision float16"


def test_inspect_shows_the_islands(command: Command, tiny_jetson: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b"
    shutil.copytree(tiny_jetson, bundle)
    content = json.loads((bundle / "manifest.json").read_text())
    graph = content["components"]["dit"]["artifacts"][0]["graphs"][0]
    graph["precision"] = [
        {"nodes": "*.attn1/*", "reason": "an epsilon", "count": 48, "largest": 1234.5}
    ]
    (bundle / "manifest.json").write_text(json.dumps(content))
    done = command("inspect", bundle)
    assert done.code == 0, done.err
    for text in ("transformer.onnx", "*.attn1/*", "an epsilon", "48", "1.23e+03"):
        assert text in done.out
    plain = command("inspect", tiny_jetson)
    assert "an epsilon" not in plain.out


def test_a_runtime_that_does_not_go_with_it(command: Command, tiny_jetson: Path) -> None:
    done = command("chat", tiny_jetson, "--runtime", "torch")
    assert done.code == 2
    assert done.error() == (
        f"{tiny_jetson}: the torch runtime does not execute an ONNX graph; "
        "choose --runtime onnxruntime or emulated-half or tensorrt"
    )
