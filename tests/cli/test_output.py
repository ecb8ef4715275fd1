"""What commands print: folded between words on a terminal, whole elsewhere."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from mobileo_export.cli import output
from mobileo_export.cli.flowing_text import FlowingText

if TYPE_CHECKING:
    import pytest


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output and error are a terminal of 40 columns."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return shown


LONG = "the bundle lies beside the checkpoint, where a long line would be cut in a word"


def test_lines_are_folded_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch)
    output.say(LONG)
    output.print_error(f"/a/path/that/is/wider/than/the/terminal/is/itself: {LONG}")
    lines = shown.getvalue().splitlines()
    assert " ".join(lines[:2]) == LONG
    assert "/a/path/that/is/wider/than/the/terminal/is/itself:" in lines
    assert all(len(line) <= 40 for line in lines if not line.startswith("/a/path"))


def test_lines_are_whole_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    output.say(LONG * 3, "bold green")
    output.print_note(LONG * 3)
    captured = capsys.readouterr()
    assert captured.out == f"{LONG * 3}\n"
    assert captured.err == f"note: {LONG * 3}\n"


def test_color_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch)
    output.say("parity holds", "bold green")
    assert "\x1b[1;32mparity holds" in shown.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    shown.truncate(0)
    output.say("parity holds", "bold green")
    assert "32m" not in shown.getvalue()
    assert "parity holds" in shown.getvalue()


def table(width: int) -> list[str]:
    shown = output.new_table("can", "", "why not", "mend")
    shown.add_row("export --target jetson", "yes", "", "")
    shown.add_row("inspect", "yes", "", "")
    shown.add_row("tensorrt", "no", "needs TensorRT and an NVIDIA GPU", "use the board")
    console = Console(width=width, file=io.StringIO(), markup=False)
    with console.capture() as captured:
        console.print(shown)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_table_that_fits_is_one() -> None:
    assert table(100)[0].split() == ["can", "why", "not", "mend"]
    assert len(table(100)) == 5


def test_a_table_that_does_not_fit_is_a_paragraph_a_row() -> None:
    assert table(50) == [
        "export --target jetson  yes",
        "inspect  yes",
        "",
        "tensorrt  no",
        "  why not  needs TensorRT and an NVIDIA GPU",
        "  mend     use the board",
    ]
    assert table(30)[4:6] == ["  why not  needs TensorRT and", "           an NVIDIA GPU"]


def test_text_that_comes_in_pieces_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch)
    flowing = FlowingText(shown)
    for piece in (LONG[:7], LONG[7:39], LONG[39:], "\n two  spaces", " and a ", "wo", "rd"):
        flowing.add(piece)
    flowing.end()
    lines = shown.getvalue().splitlines()
    assert all(len(line) <= 40 for line in lines)
    assert " ".join(lines[:2]) == LONG
    assert lines[2:] == [" two  spaces and a word"]


def test_text_that_comes_in_pieces_is_left_alone_elsewhere() -> None:
    stream = io.StringIO()
    flowing = FlowingText(stream)
    flowing.add(LONG * 3)
    assert stream.getvalue() == LONG * 3
    flowing.end()
    assert stream.getvalue() == LONG * 3 + "\n"
