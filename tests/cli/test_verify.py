"""``verify`` names what is wrong and says so with its exit code."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

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
