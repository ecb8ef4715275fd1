"""The log of an export: what torch and coremltools print, beside the bundle."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

_HEADER = "# log of mobileo-export export\n"


@contextmanager
def log_file(log: Path | None) -> Iterator[IO[str] | None]:
    """A fresh log; one that an earlier export left is replaced, any other file is not."""
    if log is None:
        yield None
        return
    if log.is_symlink() or (log.exists() and not _is_log(log)):
        raise UsageError(f"{log}: exists and is no log of ours; move it away, or use --verbose")
    with log.open("w", encoding="utf-8") as stream:
        stream.write(_HEADER)
        stream.flush()  # the workers write to the same file
        yield stream


def _is_log(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_HEADER)) in {b"", _HEADER.encode()}
