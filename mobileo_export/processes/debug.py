"""What ``--debug`` asks for: tracebacks, and the scratch folders of what failed.

It travels in the environment, so that the processes that we start know of it too.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "MOBILEO_DEBUG"


def enabled() -> bool:
    """Whether ``--debug`` was given, or ``MOBILEO_DEBUG=1`` is set."""
    return os.environ.get(VARIABLE, "") not in {"", "0"}


def enable() -> None:
    """Turn it on for this process and those that it starts."""
    os.environ[VARIABLE] = "1"


@contextmanager
def scratch(prefix: str, folder: Path | None = None) -> Iterator[Path]:
    """A temporary folder, by default where the system has them; when debugging a failure keeps it.

    Like ``tempfile.TemporaryDirectory`` otherwise.
    """
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    try:
        yield path
    except BaseException:
        if enabled():
            print(f"note: kept {path}", file=sys.stderr)
        else:
            shutil.rmtree(path, ignore_errors=True)
        raise
    shutil.rmtree(path)
