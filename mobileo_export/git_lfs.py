"""Git LFS pointers: what a clone without ``git lfs`` holds in the place of large files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_START = b"version https://git-lfs.github.com/spec/"
EXPLANATION = (
    "a Git LFS pointer of a few bytes, not the file itself; run `git lfs pull` in the clone, or "
    "download it again"
)


def is_pointer(path: Path) -> bool:
    """Whether the file ``path`` is one; False for what cannot be read."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return False
        with path.open("rb") as file:
            return file.read(len(_START)) == _START
    except OSError:
        return False
