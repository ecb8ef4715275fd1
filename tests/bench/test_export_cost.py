"""The benchmark's bookkeeping; what it measures is measured by `make bench-export`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from benchmarks import export_cost
from benchmarks.export_cost import Cost


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with checkpoint and bundle, and no export that is really run."""
    for name in ("checkpoint-tiny", "bundle"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.safetensors").write_bytes(bytes(1000))
    arguments = ["--workdir", str(tmp_path), "--variant", "tiny"]
    monkeypatch.setattr(sys, "argv", ["export_cost", *arguments])
    monkeypatch.setattr(subprocess, "run", lambda *given, **named: None)
    return tmp_path


def measured(way: Callable[[list[str]], Cost]) -> Callable[[list[str], IO[bytes]], Cost]:
    return lambda command, errors: way(command)


def test_ratios_are_of_runs_that_followed_each_other(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter((1.0, 0.1, 0.2, 10.0, 3.0, 0.1, 0.2, 12.0, 2.0, 0.1, 0.2, 80.0))
    peaks = iter((1, 1, 1, 4) * 3)
    monkeypatch.setattr(
        export_cost,
        "measure",
        measured(lambda command: Cost(next(seconds), int(next(peaks) * 1e9))),
    )
    assert export_cost.main() == 0
    said = capsys.readouterr()
    lines = {line.split()[0]: line.split() for line in said.out.splitlines()}
    assert lines["ours"][1:5] == ["2.0", "s", "1.00", "GB"]
    assert lines["baseline"][1:5] == ["12.0", "s", "4.00", "GB"]
    # 1 of 10, 3 of 12, 2 of 80.
    assert lines["ratio"][1:] == ["0.10", "0.25"]
    assert "of single runs 0.03, 0.10, 0.25" in said.out
    assert "run 3 of 3: baseline" in said.err
    report = json.loads((work / "export_cost.json").read_text())
    assert [run["seconds"] for run in report["runs"]["ours"]] == [1.0, 3.0, 2.0]


def test_a_run_that_fails_is_one_line(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(command: list[str]) -> Cost:
        raise subprocess.CalledProcessError(2, command)

    monkeypatch.setattr(export_cost, "measure", measured(failing))
    assert export_cost.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("run 1 of 3: ours")
    assert f"exit code 2; see {work / 'export_cost.log'}" in said
    assert not (work / "export_cost.json").exists()


def test_what_a_command_complains_of_is_kept(tmp_path: Path) -> None:
    program = "import sys; print('warned', file=sys.stderr)"
    with (tmp_path / "log").open("wb") as errors:
        cost = export_cost.measure([sys.executable, "-c", program], errors)
    assert (tmp_path / "log").read_text() == "warned\n"
    assert cost.seconds > 0
