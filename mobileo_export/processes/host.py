"""The machine as files and commands: what reads it can be shown another one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mobileo_export.sizes import disk_free

_SECONDS = 10  # a tool that takes longer hangs


def run(command: Sequence[str]) -> str | None:
    """Standard output of ``command``; None when it is not there, fails or hangs."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


@dataclass(frozen=True)
class Host:
    """Where files are read and how commands are run."""

    root: Path = Path("/")
    run: Callable[[Sequence[str]], str | None] = run
    disk_free: Callable[[Path], int] = disk_free

    def read(self, path: str) -> str | None:
        """The text of an absolute ``path``; None when it cannot be read."""
        try:
            return (self.root / path.lstrip("/")).read_bytes().decode(errors="replace")
        except OSError:
            return None

    def board(self) -> str | None:
        """The name of the board in the device tree; None where there is none, as on a desk."""
        text = self.read("/proc/device-tree/model")
        return text.rstrip("\0\n ") if text else None

    def exists(self, path: str) -> bool:
        """Whether an absolute ``path`` is there."""
        return (self.root / path.lstrip("/")).exists()

    def glob(self, pattern: str) -> list[str]:
        """Absolute paths that match, sorted."""
        found = self.root.glob(pattern.lstrip("/"))
        return sorted("/" + path.relative_to(self.root).as_posix() for path in found)
