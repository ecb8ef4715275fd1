"""``mobileo-export doctor`` as a user sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mobileo_export.doctor import machine

from ..doctor.test_examine import LINUX

if TYPE_CHECKING:
    from pathlib import Path

    from ..command import Command


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "look", lambda: LINUX)


def test_a_machine_that_can_what_is_asked(command: Command) -> None:
    shown = command("doctor", "--target", "ios", "--quiet")
    assert (shown.code, shown.err) == (0, "")
    (row,) = (line for line in shown.out.splitlines() if line.startswith("export --target ios"))
    assert row.split()[3] == "yes"


def test_the_last_line_says_what_can_be_done_or_is_to_be_done_first(
    command: Command, tiny_checkpoint: Path, tiny_bundle: Path
) -> None:
    def last(*arguments: str | Path) -> str:
        return command("doctor", *arguments, "--quiet").out.splitlines()[-1]

    assert last("--target", "ios") == "ready: export --target ios"
    assert last().startswith("ready: export --target ios; ")
    assert last(tiny_checkpoint) == f"ready: {tiny_checkpoint} can be exported here"
    assert last(tiny_bundle) == f"ready: {tiny_bundle} can be run here"
    assert last("--runtime", "coreml") == "not ready; first: use --runtime mil: the same package"


def test_a_machine_that_cannot(command: Command) -> None:
    shown = command("doctor", "--runtime", "coreml", "--quiet")
    assert shown.code == 1
    assert shown.error() == "coreml: needs macOS: use --runtime mil: the same package"


def test_json_has_the_same(command: Command, tiny_checkpoint: Path) -> None:
    shown = command("doctor", tiny_checkpoint, "--runtime", "coreml", "--json")
    content = json.loads(shown.out)
    assert (shown.code, content["ok"]) == (1, False)
    assert [problem["what"] for problem in content["problems"]] == ["coreml"]
    assert {"machine", "packages", "source", "abilities"} <= content.keys()
    assert content["source"]


def test_what_cannot_be_read(command: Command, tmp_path: Path) -> None:
    shown = command("doctor", tmp_path, "--quiet")
    assert shown.code == 2
    assert "no checkpoint here" in shown.error()
