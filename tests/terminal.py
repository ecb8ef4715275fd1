"""A terminal of a given width, and what a program leaves on its screen."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTHS = (60, 80, 100, 140)
_ROOT = str(Path(__file__).parents[1])
# A control sequence, another escape, or one character that is drawn or moves the cursor.
_PIECE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b\][^\x07]*\x07|\x1b.|(.)", re.DOTALL)


@dataclass
class Screen:
    """Characters where a terminal would have drawn them; what has scrolled away stays."""

    width: int
    rows: list[list[str]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    wrapped: set[int] = field(default_factory=set)  # rows whose line went on in the next one

    def feed(self, text: str) -> None:
        """Draw ``text``."""
        for match in _PIECE.finditer(text):
            numbers, command, character = match.groups()
            if command is not None:
                self._control(command, int(numbers) if numbers.isdigit() else 1, numbers)
            elif character == "\n":
                self._down()
            elif character == "\r":
                self.column = 0
            elif character == "\b":
                self.column = max(self.column - 1, 0)
            elif character is not None and character.isprintable():
                self._draw(character)

    def lines(self) -> list[str]:
        """The text, without what is empty at the end."""
        lines = ["".join(row).rstrip() for row in self.rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def cut(self) -> list[str]:
        """Words that go on in the next line though one would have had room for them."""
        found = []
        for row in self.wrapped:
            line, rest = ("".join(self.rows[number]) for number in (row, row + 1))
            word = line.rpartition(" ")[2] + rest.partition(" ")[0]
            if len(word) <= self.width:
                found.append(word)
        return found

    def _draw(self, character: str) -> None:
        if self.column == self.width:
            self.wrapped.add(self.row)
            self.column = 0
            self._down()
        line = self.rows[self.row]
        line.extend(" " * (self.column + 1 - len(line)))
        line[self.column] = character
        self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append([])

    def _control(self, command: str, number: int, numbers: str) -> None:
        if command == "A":
            self.row = max(self.row - number, 0)
        elif command == "B":
            self.row = min(self.row + number, len(self.rows) - 1)
        elif command == "C":
            self.column = min(self.column + number, self.width - 1)
        elif command == "D":
            self.column = max(self.column - number, 0)
        elif command == "G":
            self.column = number - 1
        elif command == "K":
            start = 0 if numbers == "2" else self.column
            del self.rows[self.row][start:]
            self.wrapped.discard(self.row)
        elif command == "J":
            del self.rows[self.row][self.column :]
            del self.rows[self.row + 1 :]
        else:
            assert command in "mhlr", f"a terminal is asked for {command!r}"


@dataclass(frozen=True)
class Shown:
    """What a command left on a terminal."""

    code: int
    screen: Screen
    raw: str

    @property
    def lines(self) -> list[str]:
        """The screen at the end."""
        return self.screen.lines()

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines)


def show(calls: Sequence[tuple[int, Sequence[str]]], folder: Path, typed: str = "") -> list[Shown]:
    """Run commands on a terminal, each at its width; what is ``typed`` waits for who reads it.

    They run in ``folder`` and in one process, so that libraries are imported once.
    """
    main, side = pty.openpty()
    hidden = {"NO_COLOR", "COLUMNS", "LINES", "CI", "PYTHONPATH"}
    plain = {name: value for name, value in os.environ.items() if name not in hidden}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.terminal_script", json.dumps(calls)],
        stdin=side,
        stdout=side,
        stderr=side,
        cwd=folder,
        env={**plain, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", "PYTHONPATH": _ROOT},
        start_new_session=True,
    )
    os.close(side)
    os.write(main, typed.encode())
    read = b""
    with suppress(OSError):  # the other side is closed
        while chunk := os.read(main, 65536):
            read += chunk
    os.close(main)
    process.wait()
    pieces = re.split(r"\x1b\](\d+) (\d+)\x07", read.decode())
    assert len(pieces) == 3 * len(calls) + 4, pieces[-1][-2000:]
    found = []
    for number, (width, _) in enumerate(calls):
        raw = pieces[3 * number + 3]
        screen = Screen(width)
        screen.feed(raw)
        found.append(Shown(int(pieces[3 * number + 5]), screen, raw))
    return found
