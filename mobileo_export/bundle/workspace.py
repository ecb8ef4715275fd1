"""The folder an output is built in: ``OUTPUT.partial``, renamed to ``OUTPUT`` when complete."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.bundle.manifest import MANIFEST, read
from mobileo_export.errors import BundleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

MARKER = ".mobileo-export-partial"


@dataclass(frozen=True)
class Kind:
    """What is written: only a folder that ``complete`` recognises is replaced, or becomes one."""

    noun: str
    work: str
    complete: Callable[[Path], bool]
    proof: str  # the file that makes a folder complete, for messages


def _is_bundle(folder: Path) -> bool:
    try:
        read(folder)
    except BundleError:
        return False
    return True


BUNDLE = Kind("bundle", "export", _is_bundle, MANIFEST)


@contextmanager
def workspace(output: Path, overwrite: bool, kind: Kind = BUNDLE) -> Iterator[Path]:
    """Yield an empty folder; when the block ends well it becomes ``output``, else it is removed.

    Raises:
        UsageError: ``output`` holds something else, or a bundle and ``overwrite`` is off, or
            another export is writing it.
    """
    check_output(output, overwrite, kind)
    partial = output.with_name(output.name + ".partial")
    if partial.is_symlink() or (partial.exists() and not _is_ours(partial, kind)):
        raise UsageError(f"{partial}: exists and is not ours; move it away or choose another name")
    partial.mkdir(parents=True, exist_ok=True)
    marker = partial / MARKER
    with marker.open("a") as lock:
        _lock(lock, marker, output, kind)
        try:
            _clear(partial)
            yield partial
            check_output(output, overwrite, kind)
            _replace(partial, output, kind)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def check_output(output: Path, overwrite: bool, kind: Kind = BUNDLE) -> None:
    """Raise UsageError unless ``output`` may be written: absent, empty, or a bundle of ours."""
    if output.name in {"", ".."}:
        raise UsageError(f"{output}: names no folder of its own; choose another name")
    for parent in output.absolute().parents:
        if parent.exists():
            if not parent.is_dir():
                raise UsageError(
                    f"{parent}: is a file, no {kind.noun} fits below it; choose another"
                )
            break
    if output.is_symlink():
        raise UsageError(f"{output}: is a symbolic link; name the folder that it points to")
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"{output}: is a file; choose another name")
    if not any(output.iterdir()):
        return
    if not kind.complete(output):
        raise UsageError(
            f"{output}: is not a {kind.noun} of ours and is left alone; choose another name"
        )
    if not overwrite:
        raise UsageError(f"{output}: exists; use --overwrite to replace it")


def _is_ours(partial: Path, kind: Kind) -> bool:
    """Empty, marked, or complete and caught between the removal of the marker and the rename."""
    if not partial.is_dir():
        return False
    return (partial / MARKER).is_file() or not any(partial.iterdir()) or kind.complete(partial)


def _lock(lock: IO[str], marker: Path, output: Path, kind: Kind) -> None:
    busy = UsageError(
        f"{output}: another {kind.work} is writing it; wait for it or choose another name"
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise busy from None
    # Between our opening the marker and locking it, its owner may have renamed or removed it all.
    if not marker.exists() or os.fstat(lock.fileno()).st_ino != marker.stat().st_ino:
        raise busy


def _clear(partial: Path) -> None:
    for child in partial.iterdir():
        if child.name == MARKER:
            continue
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()


def _replace(partial: Path, output: Path, kind: Kind) -> None:
    if not (partial / kind.proof).is_file():
        raise BundleError(f"{partial}: has no {kind.proof} and cannot become {output}")
    (partial / MARKER).unlink()
    if not output.exists():
        partial.rename(output)
        return
    # The old bundle steps aside under a name that nobody else has, and comes back on failure or
    # interruption, which may strike between any two lines.
    aside = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    old = aside / output.name
    try:
        output.rename(old)
        partial.rename(output)
    except BaseException:
        if old.exists() and not output.exists():
            old.rename(output)
        with suppress(OSError):
            aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)
