"""The bundles that tests share are those that an export would write now, whatever lies there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import components
from mobileo_export.bundle.workspace import partial_of
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.export import fingerprint, manifest_entries, worker_process
from mobileo_export.export import run as export
from tests import surgery
from tests.exports import Exports

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = "llm/model.safetensors"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The components that were converted, as they are."""
    found: list[str] = []
    real = worker_process.convert_component

    def convert(job: dict[str, Any], *others: Any) -> dict[str, Any]:
        found.append(job["component"])
        return real(job, *others)

    monkeypatch.setattr(worker_process, "convert_component", convert)
    return found


class Machine:
    """A machine on which sessions of tests follow one another."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "place"
        self._folder = folder
        self._sessions = 0

    def session(self) -> Exports:
        self._sessions += 1
        return Exports(self._folder / f"session-{self._sessions}", self.place)

    def bundle(self) -> Path:
        """The only one that lies there."""
        (found,) = (path for path in self.place.iterdir() if path.is_dir())
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


def test_it_is_what_the_export_writes(
    machine: Machine, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """With workers, too."""
    options = export.Options(components.select("llm"), llm_bits=4)
    export.export(Checkpoint.open(tiny_checkpoint), tmp_path / "out", options)
    shared = machine.session()(tiny_checkpoint, "llm", llm_bits=4)
    assert contents(shared) == contents(tmp_path / "out")


def test_the_next_session_converts_nothing(
    machine: Machine, tiny_checkpoint: Path, tmp_path: Path, converted: list[str]
) -> None:
    session = machine.session()
    first = session(tiny_checkpoint, "llm")
    assert session(tiny_checkpoint, "llm") == first
    moved = shutil.copytree(tiny_checkpoint, tmp_path / "elsewhere")
    other = machine.session()(moved, "llm")
    assert converted == ["llm"]
    assert other != first
    assert contents(other) == contents(first)
    assert not partial_of(machine.bundle()).exists()


def test_a_session_that_changes_its_copy_changes_no_others(
    machine: Machine, tiny_checkpoint: Path
) -> None:
    shared = machine.session()(tiny_checkpoint, "llm")
    pristine = contents(shared)
    with (shared / WEIGHTS).open("r+b") as file:
        file.write(b"changed")
    assert contents(machine.session()(tiny_checkpoint, "llm")) == pristine


def test_other_code_converts_again(
    machine: Machine,
    tiny_checkpoint: Path,
    converted: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine.session()(tiny_checkpoint, "llm")
    monkeypatch.setattr(fingerprint, "code_digest", lambda *made: "edited")
    machine.session()(tiny_checkpoint, "llm")
    assert converted == ["llm", "llm"]


def test_other_tools_convert_again(
    machine: Machine,
    tiny_checkpoint: Path,
    converted: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine.session()(tiny_checkpoint, "llm")
    monkeypatch.setattr(metadata, "version", lambda name: "999.0")
    machine.session()(tiny_checkpoint, "llm")
    assert converted == ["llm", "llm"]


def test_other_options_and_tensors_are_other_bundles(
    machine: Machine, tiny_copy: Path, converted: list[str]
) -> None:
    session = machine.session()
    session(tiny_copy, "llm")
    session(tiny_copy, "llm", llm_bits=4)
    name = "model.layers.0.mlp.up_proj.weight"
    dtype, values = surgery.load(tiny_copy / "model.safetensors")[name]
    surgery.change(tiny_copy, {name: (dtype, values[::-1].copy())})
    session(tiny_copy, "llm")
    assert converted == ["llm"] * 3
    assert len({path.name for path in machine.place.glob("*.lock")}) == 3


def test_what_a_manifest_says_is_of_the_code_of_today(
    machine: Machine, tiny_checkpoint: Path, converted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the artifact is taken over."""
    machine.session()(tiny_checkpoint, "llm")
    monkeypatch.setattr(manifest_entries, "__version__", "0.0.1")
    found = json.loads((machine.session()(tiny_checkpoint, "llm") / "manifest.json").read_text())
    assert found["generator"]["version"] == "0.0.1"
    assert converted == ["llm"]


@pytest.mark.parametrize("damage", ["a bit", "a file more", "a file less", "no manifest", "half"])
def test_damage_is_mended(
    machine: Machine, tiny_checkpoint: Path, converted: list[str], damage: str
) -> None:
    pristine = contents(machine.session()(tiny_checkpoint, "llm"))
    bundle = machine.bundle()
    if damage == "a bit":
        data = bytearray((bundle / WEIGHTS).read_bytes())
        data[-1] ^= 1
        (bundle / WEIGHTS).write_bytes(data)
    elif damage == "a file more":
        (bundle / "llm" / "more.json").write_text("{}")
    elif damage == "a file less":
        (bundle / "llm" / "config.json").unlink()
    elif damage == "no manifest":
        (bundle / "manifest.json").write_text("{}")
    else:  # of a run that was killed
        bundle.rename(partial_of(bundle))
    assert contents(machine.session()(tiny_checkpoint, "llm")) == pristine
    assert contents(machine.bundle()) == pristine
    assert not partial_of(bundle).exists()


ANOTHER = """
import os
import sys
from importlib import metadata
from pathlib import Path
from mobileo_export.export import worker_process
from tests.exports import Exports
real = worker_process.convert_component
worker_process.convert_component = lambda *job: os.write(1, b"converted") and real(*job)
Exports(Path(sys.argv[1]), Path(sys.argv[2]))(Path(sys.argv[3]), "llm")
"""


def test_two_processes_export_once(machine: Machine, tiny_checkpoint: Path, tmp_path: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", ANOTHER, tmp_path / name, machine.place, tiny_checkpoint],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    said = "".join(process.communicate(timeout=300)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said.count("converted") == 1
    one, two = (contents(tmp_path / name) for name in ("one", "two"))
    assert one == two
    assert any(path.endswith(WEIGHTS) for path in one)
