"""A bundle of Core AI assets under every command that runs one, and what its export refuses."""

from __future__ import annotations

import io
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from mobileo_export.artifacts.aimodel import asset, wheels
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.cli.run import read_npz
from mobileo_export.components import COMPONENTS
from mobileo_export.processes import extras
from mobileo_export.runtimes.select import open_session
from tests.serve.client import Running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Command


@pytest.mark.parametrize("component", COMPONENTS)
def test_run_gives_the_checkpoints_arrays(
    component: str, command: Command, tiny_checkpoint: Path, tiny_core_ai: Path, tmp_path: Path
) -> None:
    example: Any = COMPONENTS[component].example_inputs(Checkpoint.open(tiny_checkpoint).model)
    np.savez(tmp_path / "in.npz", **example)
    call = (component, "--inputs", tmp_path / "in.npz", "--output", tmp_path / "out.npz")
    found = []
    for source in (tiny_checkpoint, tiny_core_ai):
        done = command("run", source, *call)
        assert (done.code, done.err) == (0, "")
        found.append(read_npz(tmp_path / "out.npz"))
    expected, computed = found
    assert computed.keys() == expected.keys()
    for name, values in computed.items():
        wide: Any = np.asarray(expected[name], np.float64)
        assert np.linalg.norm(values - wide) < 2e-5 * np.linalg.norm(wide)


def test_a_picture_is_drawn_edited_asked_about_and_talked_of(
    command: Command, tiny_core_ai: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, edited = tmp_path / "drawn.png", tmp_path / "edited.png"
    brief = ("--steps", "1", "-q", "-o")
    assert command("generate", tiny_core_ai, "a red circle", *brief, drawn).code == 0
    assert command("edit", tiny_core_ai, drawn, "make it blue", *brief, edited).code == 0
    with Image.open(edited) as picture:
        assert picture.size == (64, 64)
    few = ("--max-new-tokens", "3", "-q")
    assert command("ask", tiny_core_ai, edited, "What is it?", *few).code == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("My name is Ada.\nWhat is my name?\n"))
    assert command("chat", tiny_core_ai, *few).code == 0


def test_it_is_served(tiny_checkpoint: Path, tiny_core_ai: Path) -> None:
    pytest.importorskip("starlette", reason="the serve extra is not installed")
    pytest.importorskip("uvicorn", reason="the serve extra is not installed")
    example = COMPONENTS["mcp"].example_inputs(Checkpoint.open(tiny_checkpoint).model)
    server = Running(tiny_core_ai)
    try:
        components = server("GET", "/components").json()
        assert all(found == {"runtime": "coreai", "exact": True} for found in components.values())
        answer = server("POST", "/components/mcp/run", example).arrays()
    finally:
        server.close()
    session = open_session(str(tiny_core_ai), COMPONENTS["mcp"])
    expected = session.run(example)
    session.close()
    np.testing.assert_array_equal(answer["conditioning"], expected["conditioning"])


def test_what_was_recorded_is_replayed(
    command: Command, tiny_checkpoint: Path, tiny_core_ai: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(tiny_core_ai, tmp_path / "bundle")
    options = ("--checkpoint", tiny_checkpoint, "--steps", "1", "--no-parity", "-q")
    assert command("record", copy, *options).code == 0
    replayed = command("verify", copy, "--replay", "-q")
    assert replayed.code == 0, replayed.err


def test_a_damaged_asset_is_one_line(command: Command, tiny_core_ai: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_core_ai, tmp_path / "bundle")
    program = copy / "connector.aimodel" / asset.PROGRAM
    program.write_bytes(program.read_bytes()[:5000])
    done = command("generate", copy, "a red circle", "-q", "-o", tmp_path / "out.png")
    assert done.code == 2
    assert str(program) in done.error()
    assert "is not as it was written; export it again or download it again" in done.error()


def test_a_missing_wheel_is_one_line(
    command: Command, tiny_core_ai: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ("generate", tiny_core_ai, "a red circle", "-q", "-o", tmp_path / "out.png")
    monkeypatch.setitem(wheels.VERSIONS, wheels.CORE, "9.9")
    other = command(*call)
    assert other.code == 2
    assert "needs coreai-core 9.9, and 1.0.0b3 is installed: pip install" in other.error()
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    gone = command(*call)
    assert gone.code == 2
    assert "the coreai runtime needs coreai-core: pip install" in gone.error()


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--precision", "float16", "coreai computes in float32: in half precision"),
        ("--llm-bits", "8", "coreai is Core AI"),
    ],
)
def test_what_does_not_apply_is_refused_with_the_reason(
    option: str, value: str, why: str, command: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    call = ("export", tiny_checkpoint, "-o", tmp_path / "b", "--target", "coreai", option, value)
    done = command(*call)
    assert done.code == 2
    assert done.error().startswith(f"{option} goes with --target ")
    assert why in done.error()


def test_the_language_model_and_halves_are_refused_by_name(
    command: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    call = ("export", tiny_checkpoint, "-o", tmp_path / "b", "--target", "coreai", "--compression")
    done = command(*call, "w8", "--only", "llm")
    assert done.code == 2
    assert done.error() == (
        "--compression is that of the other components: for coreai --only llm stays float32"
    )
    done = command(*call, "exact")
    assert done.code == 2
    assert done.error().startswith("--compression exact: Core AI widens halves")
    assert not (tmp_path / "b").exists()
