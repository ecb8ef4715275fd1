"""``mobileo-export bench-report``: a page of many results, or a line that says which is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bench import devices

if TYPE_CHECKING:
    from tests.command import Command


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    devices.write(tmp_path / "phone.json", devices.phone())
    devices.write(tmp_path / "board.json", devices.board())
    devices.write(tmp_path / "test.json", devices.self_test())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_page_and_a_table(command: Command, place: Path) -> None:
    done = command("bench-report", "phone.json", "board.json", "test.json", "-o", "report.html")
    assert done.code == 0, done.err
    assert "Latency on 2 devices" in (place / "report.html").read_text(encoding="utf-8")
    lines = done.out.splitlines()
    assert lines[0].split("  ")[0] == "median"
    assert lines[-1] == "open report.html"
    (row,) = (line for line in lines if line.startswith("self-test"))
    assert row.split()[1:] == ["holds", "none"]
    assert done.err.count("warning: ") == len(done.err.splitlines()) == 4


def test_json_has_the_pages_figures(command: Command, place: Path) -> None:
    done = command("bench-report", "phone.json", "board.json", "-o", "report.html", "--json")
    found = json.loads(done.out)
    phone, board = found["devices"]
    assert phone["measurements"]["image"]["median"] == 3.85
    assert board["files"] == ["board.json"]
    assert found["published"]["iPhone 17 Pro"]["image"]["mean"] == 3
    assert len(found["differences"]) == 5
    assert found["output"] == "report.html"
    assert (place / "report.html").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.json"], "none.json: no such file"),
        (["phone.json", "phone.json"], "phone.json: is named twice"),
        (["damaged.json"], "damaged.json: the result has no notes"),
        (["phone.json", "test.txt"], "test.txt: cannot be read as JSON"),
    ],
)
def test_a_wrong_file_is_one_line_and_no_page(
    command: Command, place: Path, words: list[str], said: str
) -> None:
    damaged = devices.phone()
    del damaged["notes"]
    devices.write(place / "damaged.json", damaged)
    (place / "test.txt").write_text("no JSON")
    done = command("bench-report", *words, "-o", "report.html")
    assert (done.code, done.out) == (2, "")
    assert done.error().startswith(said)
    assert not (place / "report.html").exists()


def test_the_page_is_an_html_file(command: Command, place: Path) -> None:
    done = command("bench-report", "phone.json", "-o", "report.json")
    assert (done.code, done.error()) == (2, "report.json: name a .html file")
    assert command("bench-report", "phone.json").code == 2
