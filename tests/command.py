"""The command line as the tests call it: in this process, or as the program that users start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.cli import main, program

if TYPE_CHECKING:
    import pytest

PROGRAM = str(Path(sys.executable).with_name("mobileo-export"))


@dataclass(frozen=True)
class Finished:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    def error(self) -> str:
        """The one line of an expected failure; fails on a traceback or more lines."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        return lines[0].removeprefix("error: ")


class Command:
    """Calls commands in this process and captures what they print."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self._patch = patch
        self._capture = capture

    def __call__(self, *arguments: str | Path) -> Finished:
        self._patch.setattr(sys, "argv", ["mobileo-export", *map(str, arguments)])
        self._capture.readouterr()
        code = program.call(main.app)
        captured = self._capture.readouterr()
        return Finished(code, captured.out, captured.err)


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start the installed program; its output comes through pipes."""
    return subprocess.Popen(
        [PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        preexec_fn=_heed_signals,  # noqa: PLW1509
    )


def _heed_signals() -> None:
    """A test run in the background of a shell, or under nohup, would hand ignored signals on."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def finish(process: subprocess.Popen[str], read: str = "") -> Finished:
    """Wait for a started program; ``read`` is what the test took of its standard error."""
    out, err = process.communicate(timeout=120)
    return Finished(process.returncode, out, read + err)


def execute(*arguments: str | Path, **environment: str) -> Finished:
    """Run the installed program to its end."""
    return finish(start(*arguments, **environment))
