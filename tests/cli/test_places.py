"""Where commands write: never into a bundle, and known to be possible before any work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobileo_export.bundle.manifest import FORMAT
from mobileo_export.cli.rules import Writes
from tests.cli.programs import PROGRAMS, run
from tests.jetson.test_cli import Command as JetsonCommand

if TYPE_CHECKING:
    from tests.command import Command


WRITTEN = {
    "export": "export miniature --output {}",
    "verify": "verify bundle --checkpoint miniature --report {}",
    "diff": "diff bundle bundle --page {}.html",
    "explain": "explain bundle --checkpoint miniature --only mcp --page {}.html",
    "witness": "witness bundle --checkpoint miniature --page {}.html",
    "run": "run miniature mcp --inputs i.npz --output {}.npz",
    "generate": "generate miniature text --output {}.png",
    "edit": "edit miniature photo.jpg text --output {}.png",
    "demo": "demo --output {}",
    "evaluate": "evaluate miniature --images {}",
    "bench": "bench bundle --output {}.json",
    "bench-report": "bench-report a.json --output {}.html",
    "compress-plan": "compress-plan miniature --size 4MB --output {}.json",
    "merge-lora": "merge-lora --base miniature --weights post-trained --output {}",
    "random-checkpoint": "random-checkpoint --output {}",
}
WRITTEN_ON_BOARDS = {
    "generate": "generate bundle text --runtime onnxruntime --output {}.png",
    "edit": "edit bundle photo.jpg text --runtime onnxruntime --output {}.png",
    "bench": "bench bundle --runtime onnxruntime --output {}.json",
}


def test_every_place_that_is_written_to_is_tried() -> None:
    for (_, _, table), calls in zip(PROGRAMS, (WRITTEN, WRITTEN_ON_BOARDS), strict=True):
        writing = {
            name
            for name, rows in table.items()
            if any(isinstance(rule, Writes) for rules in rows.values() for rule in rules)
        }
        assert writing == set(calls)


CALLS = [
    *(("mobileo-export", call) for call in WRITTEN.values()),
    *(("mobileo-jetson", call) for call in WRITTEN_ON_BOARDS.values()),
]


@pytest.mark.parametrize(("program", "call"), CALLS)
@pytest.mark.parametrize("output", ["bundle/a", "link/a", "bundle/../bundle/deep"])
def test_nothing_is_written_into_a_bundle(
    command: Command, jetson: JetsonCommand, place: Path, program: str, call: str, output: str
) -> None:
    (place / "link").symlink_to("bundle")
    before = sorted(place.rglob("*"))
    done = run(command, jetson, program, call, output)
    assert done.code == 2
    assert f"lies inside the bundle {place / 'bundle'}" in done.error()
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    "call", [WRITTEN["verify"], WRITTEN["evaluate"], WRITTEN["demo"]], ids=lambda call: call[:8]
)
def test_a_bundle_itself_is_no_folder_for_other_files(
    command: Command, place: Path, call: str
) -> None:
    done = command(*call.format("bundle").split())
    assert done.code == 2
    assert "lies inside the bundle" in done.error()


def test_a_place_that_nobody_named_is_looked_at_too(
    command: Command, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place / "bundle")
    done = command("demo")
    assert done.code == 2
    assert f"lies inside the bundle {place / 'bundle'}" in done.error()
    assert [path.name for path in (place / "bundle").iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(("program", "call"), CALLS)
def test_a_place_that_cannot_be_written_is_known_first(
    command: Command, jetson: JetsonCommand, place: Path, program: str, call: str
) -> None:
    """``/proc`` takes no files, not even from root."""
    done = run(command, jetson, program, call, "/proc/a")
    assert done.code == 2
    assert done.error().startswith("/proc: cannot be written (")


@pytest.mark.parametrize(("program", "call"), CALLS)
def test_a_place_below_a_file_is_known_first(
    command: Command, jetson: JetsonCommand, place: Path, program: str, call: str
) -> None:
    (place / "file").write_text("")
    done = run(command, jetson, program, call, "file/a")
    assert done.code == 2
    assert "file: is a file, no" in done.error()


def test_a_report_in_place_of_a_file(command: Command, place: Path) -> None:
    (place / "report").write_text("mine")
    done = command(*WRITTEN["verify"].format("report").split())
    assert (done.code, done.error()) == (2, "report: is a file; name a folder")
    assert (place / "report").read_text() == "mine"


def test_a_manifest_of_something_else_is_no_bundle(command: Command, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    done = command("random-checkpoint", "-o", tmp_path / "tiny")
    assert done.code == 0, done.err


def test_a_place_for_the_new_bundle_is_known_before_recording(
    command: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    """A bundle in another one: to seal the inner anew would break the outer's seal."""
    (tmp_path / "manifest.json").write_text(json.dumps({"format": FORMAT}))
    inner = Path(shutil.copytree(tiny_bundle, tmp_path / "inner"))
    done = command("record", inner, "--checkpoint", "miniature")
    assert done.code == 2
    assert f"lies inside the bundle {tmp_path}" in done.error()
