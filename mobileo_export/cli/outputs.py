"""Where commands write: known to be possible before the work, and never inside a sealed bundle."""

from __future__ import annotations

import sys
from pathlib import Path

from mobileo_export.errors import UsageError


def check_picture(path: Path) -> None:
    """:func:`check_file` of a picture; ``-`` is standard output, for a file or a program."""
    from mobileo_export.pipelines.images import FORMATS

    if str(path) != "-":
        check_file(path, *FORMATS)
    elif sys.stdout.isatty():
        raise UsageError("-: standard output is this terminal; send it to a file or a program")


def check_file(path: Path, *suffixes: str) -> None:
    """Raise UsageError, before anything is computed, when no such file could be written there."""
    article = "an" if suffixes == (".npz",) else "a"
    named = " or ".join(filter(None, [", ".join(suffixes[:-1]), suffixes[-1]]))
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{path}: name {article} {named} file")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name {article} {named} file")
    if not path.parent.is_dir():
        if path.parent.exists():
            raise UsageError(f"{path.parent}: is a file, no other fits below it; choose another")
        raise UsageError(f"{path.parent}: no such folder; create it first")
    # The file is renamed to its place: what a link of that name points to stays as it is.
    check_outside(path, path.parent.resolve())
    _check_writable(path.parent)


def check_folder(path: Path) -> None:
    """Raise UsageError, before anything is computed, when ``path`` cannot be a folder of files."""
    check_outside(path, path.resolve())
    below = _nearest(path)
    if not below.is_dir():
        what = "is a file; name a folder" if below == path else "is a file, no folder fits below it"
        raise UsageError(f"{below}: {what}")
    _check_writable(below)


def check_beside(path: Path) -> None:
    """:func:`check_folder` of the folder that ``path``, which is replaced as a whole, lies in."""
    check_outside(path, path.absolute().parent.resolve())
    below = _nearest(path.absolute().parent)
    if not below.is_dir():
        raise UsageError(f"{below}: is a file, nothing fits below it; choose another place")
    _check_writable(below)


def check_outside(path: Path, folder: Path) -> None:
    """Raise UsageError when ``folder``, links resolved, is a bundle or lies in one."""
    from mobileo_export.checkpoint.recognise import is_bundle

    for place in (folder, *folder.parents):
        if is_bundle(place):
            raise UsageError(
                f"{path}: lies inside the bundle {place}, whose seal another file would break; "
                "choose a place outside it"
            )


def _nearest(path: Path) -> Path:
    """``path`` or the first folder above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _check_writable(folder: Path) -> None:
    """Try it: permissions alone do not tell of a disk that is mounted for reading."""
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be written ({error.strerror}); choose another place"
        ) from None
