"""The bytes of a saved package: copying it cheaply, patching it in place and taking that back."""

from __future__ import annotations

import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FICLONE = 0x40049409  # ioctl of linux/fs.h: share the extents of another file until written to


@dataclass(frozen=True)
class Patch:
    """Bytes to put into the files of a package.

    Attributes:
        contents: whole new contents of small files, by path relative to the package.
        pieces: by such a path, (position, bytes of the same length to put there).
    """

    contents: Mapping[str, bytes]
    pieces: Mapping[str, tuple[tuple[int, bytes], ...]]

    def __bool__(self) -> bool:
        return bool(self.contents or self.pieces)

    def put(self, package: Path) -> Patch:
        """Change the package in place; returns the patch that restores it."""
        before = {name: (package / name).read_bytes() for name in self.contents}
        replaced = {name: _exchange(package / name, pieces) for name, pieces in self.pieces.items()}
        for name, content in self.contents.items():
            (package / name).write_bytes(content)
        return Patch(before, replaced)


@contextmanager
def patched(package: Path, patch: Patch) -> Iterator[None]:
    """Change the package for the time of the block."""
    undo = patch.put(package)
    try:
        yield
    finally:
        undo.put(package)


def _exchange(path: Path, pieces: tuple[tuple[int, bytes], ...]) -> tuple[tuple[int, bytes], ...]:
    """Write the pieces and return what lay there, last written first."""
    before = []
    with path.open("r+b") as file:
        for position, content in pieces:
            file.seek(position)
            before.append((position, file.read(len(content))))
            file.seek(position)
            file.write(content)
    return tuple(reversed(before))


def copy(artifact: Path, destination: Path) -> Path:
    """Copy a package or folder for patching: extents are shared where the file system can.

    Raises:
        UsageError: ``destination`` exists, or its disk has no room.
    """
    if destination.exists() or destination.is_symlink():
        raise UsageError(f"{destination}: already exists; delete it or choose another folder")
    try:
        shutil.copytree(artifact, destination, copy_function=copy_file)
    except OSError as error:
        shutil.rmtree(destination, ignore_errors=True)
        raise UsageError(f"{destination}: cannot copy {artifact.name} there: {error}") from error
    return destination


def copy_file(source: str | Path, destination: str | Path) -> str | Path:
    """Copy one file, sharing its extents where the file system can."""
    with suppress(ImportError, OSError):
        import fcntl

        with Path(source).open("rb") as original, Path(destination).open("wb") as clone:
            fcntl.ioctl(clone.fileno(), _FICLONE, original.fileno())
            return destination
    Path(destination).unlink(missing_ok=True)
    return shutil.copyfile(source, destination)
