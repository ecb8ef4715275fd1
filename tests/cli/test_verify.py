"""``verify`` names what is wrong and says so with its exit code."""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn
from xml.etree import ElementTree

import jsonschema
import pytest
from PIL import Image

from mobileo_export.parity import results
from mobileo_export.parity.report import write as report
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from pathlib import Path

    from ..command import Command


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def test_a_sealed_bundle(command: Command, tiny_bundle: Path) -> None:
    shown = command("verify", tiny_bundle)
    assert (shown.code, shown.err) == (0, "")
    assert "all as sealed" in shown.out
    assert json.loads(command("verify", tiny_bundle, "--json").out)["problems"] == []


def test_a_report_without_what_writes_its_page_is_refused_before_any_work(
    command: Command, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        extras, "find_spec", lambda name: None if name == "jinja2" else find_spec(name)
    )
    report = bundle.parent / "report"
    done = command("verify", bundle, "--checkpoint", "miniature", "--report", report)
    assert done.code == 2
    assert done.error() == (
        "--report needs jinja2: pip install '.[export]' in a clone of mobileo-export"
    )
    assert not report.exists()


def test_every_damaged_file_is_named(command: Command, bundle: Path) -> None:
    weights = bundle / "transformer.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    with weights.open("r+b") as file:
        file.seek(70_000)
        byte = file.read(1)
        file.seek(70_000)
        file.write(bytes([byte[0] ^ 1]))
    os.truncate(bundle / "llm/model.safetensors", 1000)
    (bundle / "NOTICE.txt").unlink()
    (bundle / "llm/virus.py").write_text("")
    (bundle / "connector.operations.json").unlink()
    (bundle / "connector.operations.json").symlink_to("/etc/passwd")
    shown = command("verify", bundle)
    assert shown.code == 1
    assert "5 of its files" in shown.error()
    for kind, name in {
        "content": "transformer.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
        "size": "llm/model.safetensors",
        "missing": "NOTICE.txt",
        "extra": "llm/virus.py",
        "not a file": "connector.operations.json",
    }.items():
        assert f"{kind:<10} {name}" in shown.out
    report = command("verify", bundle, "--json")
    assert report.code == 1
    assert len(json.loads(report.out)["problems"]) == 5


def test_an_extra_file_has_to_go_and_strays_may_stay(command: Command, bundle: Path) -> None:
    (bundle / ".DS_Store").write_bytes(b"")
    (bundle / "llm" / "._config.json").write_bytes(b"")
    shown = command("verify", bundle)
    assert (shown.code, shown.err) == (0, "")
    assert "left aside, no part of the bundle: .DS_Store, llm/._config.json" in shown.out
    (bundle / "a.png").write_bytes(b"")
    shown = command("verify", bundle)
    assert shown.code == 1
    assert "delete a.png, or move what you keep out of the bundle" in shown.error()
    assert "download" not in shown.error()


def test_no_bundle(command: Command, tmp_path: Path) -> None:
    shown = command("verify", tmp_path)
    assert shown.code == 2
    assert "not a bundle" in shown.error()


def test_a_damaged_manifest(command: Command, bundle: Path) -> None:
    os.truncate(bundle / "manifest.json", 1000)
    shown = command("verify", bundle)
    assert shown.code == 2
    assert "manifest.json: cannot be read as JSON" in shown.error()


def test_a_manifest_that_points_outside(command: Command, bundle: Path) -> None:
    path = bundle / "manifest.json"
    path.write_text(path.read_text().replace('"path": "NOTICE.txt"', '"path": "../NOTICE.txt"'))
    shown = command("verify", bundle)
    assert shown.code == 2
    assert "files[" in shown.error()


def test_a_hostile_file_name_is_spelled_out(command: Command, bundle: Path) -> None:
    (bundle / "a\x1b[2Jb\n").write_text("")
    shown = command("verify", bundle)
    assert shown.code == 1
    assert "a\\x1b[2Jb\\n" in shown.out
    assert "\x1b" not in shown.out


def forbidden(*arguments: object, **named: object) -> NoReturn:
    pytest.fail("work began before everything was known")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--runtime", "tensorrt"), "tensorrt runtime does not execute a Core ML package or an"),
        (("--runtime", "onnxruntime"), "choose --runtime mil or coreml or mlx-dequantized or mlx"),
        (("--runtime", "emulated-half"), "emulated-half runtime does not execute"),
        (("--runtime", "mil", "--component", "llm"), "does not execute an MLX folder"),
        (("--runtime", "mil", "--compute-units", "all"), "goes with --runtime coreml only"),
        (("--component", "dot"), "unknown component 'dot'"),
        (("--steps", "501"), "501 steps"),
    ],
)
@pytest.mark.parametrize("source", [("--checkpoint", "miniature"), ("--replay",)])
def test_what_cannot_be_verified_is_known_before_any_work(
    command: Command,
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: tuple[str, ...],
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setattr("mobileo_export.checkpoint.hub.resolve", forbidden)
    monkeypatch.setattr("mobileo_export.bundle.seal.verify", forbidden)
    done = command("verify", tiny_bundle, *source, *options)
    assert done.code == 2
    assert done.out == ""
    expected = "--steps goes with" if source == ("--replay",) and "--steps" in options else message
    assert expected in done.error()


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has Core ML")
@pytest.mark.parametrize(
    "call",
    [
        "verify BUNDLE --checkpoint miniature --runtime coreml",
        "verify BUNDLE --checkpoint miniature --runtime coreml --component mcp",
        "verify BUNDLE --replay --runtime coreml",
        "generate BUNDLE text -o o.png --runtime coreml",
        "ask BUNDLE PHOTO text --runtime coreml",
        "edit BUNDLE PHOTO text -o o.png --runtime coreml",
        "evaluate BUNDLE --only draw/colors --runtime coreml",
    ],
)
def test_core_ml_on_linux_is_known_before_any_work(
    command: Command,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    for place in (
        "mobileo_export.checkpoint.hub.resolve",
        "mobileo_export.bundle.seal.verify",
        "mobileo_export.runtimes.select.load_artifact",
    ):
        monkeypatch.setattr(place, forbidden)
    arguments = call.replace("BUNDLE", str(tiny_bundle)).replace("PHOTO", "photo.png").split()
    done = command(*arguments)
    assert done.code == 2
    assert "the coreml runtime needs macOS; here --runtime mil" in done.error()
    assert done.out == ""


def test_a_broken_seal_is_reported_too(
    command: Command, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mobileo_export.checkpoint.hub.resolve", forbidden)
    (bundle / "NOTICE.txt").write_text("changed")
    (bundle / "extra.txt").write_text("")
    folder = tmp_path / "report"
    done = command("verify", bundle, "--checkpoint", "miniature", "--report", folder)
    assert done.code == 1
    assert f"note: wrote {folder / 'report.html'}" in done.err
    found = json.loads((folder / report.REPORT).read_text())
    jsonschema.validate(found, results.schema())
    assert found["ok"] is False
    assert found["failures"][0] == "seal: extra extra.txt (not listed)"
    suite = ElementTree.parse(folder / report.JUNIT).getroot()[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("seal", "2", "2")
    first = suite[0].find("failure")
    assert first is not None
    assert first.get("message") == "extra extra.txt (not listed)"
    page = (folder / report.PAGE).read_text()
    assert "The bundle is not as it was sealed, and was not run" in page
    assert "extra extra.txt" in page


def test_what_few_bits_cannot_be_held_against_is_said_in_the_verdict(
    command: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "small"
    only = ("--only", "dit")
    export = ("export", tiny_checkpoint, "-o", bundle, *only, "--compression", "small", "-q")
    assert command(*export).code == 0
    done = command("verify", bundle, "--checkpoint", tiny_checkpoint, *only, "--no-chain")
    assert done.code == 0, done.err
    last = " ".join(done.out.split())
    assert "Parity holds for what was compared: " in last
    assert last.endswith("; not compared: dit with the checkpoint).")
