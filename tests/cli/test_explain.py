"""``explain`` says where and why, in words and as JSON, and with its exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.compression.exact import halved
from mobileo_export.random_checkpoint import write as random_checkpoint

from ..command import Command
from ..surgery import Tensor, load, save


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def mcp(command: Command, bundle: Path, checkpoint: Path, *options: str) -> tuple[int, str, str]:
    shown = command(
        "explain", bundle, "--checkpoint", checkpoint, "--component", "mcp", "--case", "noise",
        "--quiet", *options,
    )  # fmt: skip
    return shown.code, shown.out, shown.err


def damage(bundle: Path, checkpoint: Path) -> None:
    """Exchange two rows of a weight of the connector."""
    name = "model.diffusion_connector.fusion.output_proj.0.weight"
    info = safetensors_file.read_header(checkpoint / "model.safetensors")[name]
    halves = halved(np.ascontiguousarray(safetensors_file.read(info), np.float32))
    assert halves is not None
    file = bundle / "connector.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    content = file.read_bytes()
    changed = halves.data.copy()
    changed[[3, 8]] = changed[[8, 3]]
    assert content.count(halves.data.tobytes()) == 1
    file.write_bytes(content.replace(halves.data.tobytes(), changed.tobytes()))


def test_nothing_diverges(command: Command, tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    code, out, err = mcp(command, tiny_bundle, tiny_checkpoint)
    assert (code, err) == (0, "")
    assert "Nothing diverges" in out
    assert "The error grows most at" in out
    assert "sequence_refiners.0" in out


def test_a_divergence_is_explained(command: Command, bundle: Path, tiny_checkpoint: Path) -> None:
    damage(bundle, tiny_checkpoint)
    code, out, err = mcp(command, bundle, tiny_checkpoint)
    assert code == 1
    assert err.startswith("error: connector.mlpackage: diverges from PyTorch at output_proj.0")
    lines = [line.split() for line in out.splitlines()]
    (marked,) = (line for line in lines if line[:1] == ["▶"])
    assert marked[1] == "output_proj.0"
    for label in ("Symptom", "Where", "Cause", "Fix"):
        assert sum(line[:1] == [label] for line in lines) == 1
    for text in ("[3…8, ", "fusion.output_proj.0.weight", "linear", "not as sealed"):
        assert text in out


def test_the_page_is_written_before_the_exit_code_says_no(
    command: Command, bundle: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    damage(bundle, tiny_checkpoint)
    page = tmp_path / "page.html"
    code, out, _ = mcp(command, bundle, tiny_checkpoint, "--page", str(page))
    assert code == 1
    assert out.splitlines()[-1] == f"open {page}"
    assert "diverges at output_proj.0" in page.read_text(encoding="utf-8")


def test_the_same_as_json(command: Command, bundle: Path, tiny_checkpoint: Path) -> None:
    damage(bundle, tiny_checkpoint)
    code, out, _ = mcp(command, bundle, tiny_checkpoint, "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["component"]) == (1, False, "mcp")
    assert report["finding"]["kind"] == "other values"
    assert report["steps"][report["culprit"]]["module"] == "output_proj.0"
    assert report["unsealed"]


def test_the_language_model(command: Command, bundle: Path, tiny_checkpoint: Path) -> None:
    arguments = ("explain", bundle, "--checkpoint", tiny_checkpoint, "--component", "llm", "-q")
    shown = command(*arguments, "--case", "prompt")
    assert (shown.code, shown.err) == (0, "")
    assert "Every tensor is as quantized" in shown.out
    file = bundle / "llm/model.safetensors"
    tensors: dict[str, Tensor] = load(file)
    name = "language_model.model.layers.1.mlp.up_proj"
    for part in ("weight", "scales", "biases"):
        values = tensors[f"{name}.{part}"][1]
        values[[2, 9]] = values[[9, 2]]
    save(file, tensors)
    shown = command(*arguments, "--case", "prompt")
    assert shown.code == 1
    assert "within [2…9, " in shown.out
    assert f"{name} (other values)" in shown.error()


def test_another_number_in_the_configuration(
    command: Command, bundle: Path, tiny_checkpoint: Path
) -> None:
    path = bundle / "llm/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rope_theta": 10000.0}))
    shown = command(
        "explain", bundle, "--checkpoint", tiny_checkpoint, "--component", "llm", "-q"
    )  # fmt: skip
    assert shown.code == 1
    assert "rope_theta 10000.0" in shown.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--component", "unet"), "unknown component 'unet'"),
        (("--component", "mcp,dit"), "name one component"),
        (("--component", "mcp", "--case", "nothing"), "choose from: 8 tokens; prompt"),
    ],
)
def test_what_there_is_not(
    command: Command,
    tiny_bundle: Path,
    tiny_checkpoint: Path,
    options: tuple[str, ...],
    message: str,
) -> None:
    shown = command("explain", tiny_bundle, "--checkpoint", tiny_checkpoint, *options, "-q")
    assert shown.code == 2
    assert message in shown.error()


def test_other_weights(command: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    other = random_checkpoint.write(tmp_path / "other", "tiny", seed=5)
    code, _, err = mcp(command, tiny_bundle, other)
    assert code == 2
    assert "made from other weights" in err


def test_no_operation_map(command: Command, bundle: Path, tiny_checkpoint: Path) -> None:
    path = bundle / "connector.operations.json"
    path.write_text("[]")
    code, _, err = mcp(command, bundle, tiny_checkpoint)
    assert (code, "not an operation map" in err) == (2, True)
    path.unlink()
    code, _, err = mcp(command, bundle, tiny_checkpoint)
    assert (code, "connector.operations.json: missing" in err) == (2, True)


def test_no_bundle(command: Command, tiny_checkpoint: Path, tmp_path: Path) -> None:
    code, _, err = mcp(command, tmp_path, tiny_checkpoint)
    assert (code, "not a bundle" in err) == (2, True)
