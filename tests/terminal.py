"""A terminal of a given width, and what a program leaves on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.command import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

WIDTHS = (60, 80, 100, 140)
_HEIGHT = 50
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
    """What a program left on a terminal, and what it wrote to its standard output if apart."""

    code: int
    screen: Screen
    raw: str
    frames: tuple[list[str], ...]  # the screen from time to time

    @property
    def lines(self) -> list[str]:
        """The screen at the end."""
        return self.screen.lines()

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines)


def show(
    width: int, *arguments: str | Path, typed: str = "", seconds: float = 300, **environment: str
) -> Shown:
    """Run the installed program on a terminal of ``width`` columns until it ends."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", _HEIGHT, width, 0, 0))
    plain = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLUMNS", "LINES", "CI"}}
    process = subprocess.Popen(
        [PROGRAM, *map(str, arguments)],
        stdin=side,
        stdout=side,
        stderr=side,
        env={**plain, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment},
        start_new_session=True,
    )
    os.close(side)
    screen, raw, frames, pending = Screen(width), [], [], b""
    deadline = time.monotonic() + seconds
    os.write(main, typed.encode())
    try:
        while time.monotonic() < deadline:
            if not select.select([main], [], [], 1)[0]:
                continue
            try:
                read = os.read(main, 65536)
            except OSError:  # the other side is closed
                break
            if not read:
                break
            pending += read
            text = pending.decode(errors="ignore")
            kept = len(text.encode())  # a character may have come in part
            pending = pending[kept:] if len(pending) - kept < 4 else b""
            raw.append(text)
            screen.feed(text)
            frames.append(screen.lines())
    finally:
        os.close(main)
        if process.poll() is None and time.monotonic() >= deadline:
            process.kill()
        code = process.wait()
    return Shown(code, screen, "".join(raw), tuple(frames))
