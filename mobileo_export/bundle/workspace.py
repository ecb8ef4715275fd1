"""The folder an output is built in, ``OUTPUT.partial``, and how what it holds becomes ``OUTPUT``.

``OUTPUT.partial`` has a marker, which is locked as long as somebody works there, the folder
``new``, which takes the place of ``OUTPUT`` in one step, and whatever else the work needs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.bundle import durable, links
from mobileo_export.bundle.manifest import MANIFEST, read
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.processes import debug

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

MARKER = ".mobileo-export-partial"
NEW = "new"
RECORDS = "finished"  # a folder of records, see ``bundle.finished``
_OLD = "old"  # where the former output waits on systems that cannot swap two folders


@dataclass(frozen=True)
class Kind:
    """What is written: only a folder that ``complete`` recognises is replaced, or becomes one."""

    noun: str
    work: str
    complete: Callable[[Path], bool]
    proof: str  # the file that makes a folder complete, for messages


@dataclass(frozen=True)
class Claim:
    """An ``OUTPUT.partial`` that is ours alone until its block ends."""

    output: Path
    partial: Path
    lock: int  # a descriptor: the lock holds until every process that has it is gone

    @property
    def new(self) -> Path:
        """The folder that becomes ``output``."""
        return self.partial / NEW


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
            somebody is writing it, or an interrupted export left finished artifacts for it.
    """
    with claim(output, overwrite, kind) as claimed:
        if holds_finished(output):
            raise UsageError(
                f"{claimed.partial}: holds finished artifacts of an interrupted export; "
                "end it by the same command, or delete that folder"
            )
        remove_all(claimed.partial, but=MARKER)
        claimed.new.mkdir()
        yield claimed.new


@contextmanager
def claim(output: Path, overwrite: bool, kind: Kind = BUNDLE) -> Iterator[Claim]:
    """Yield ``OUTPUT.partial`` as it was left; when the block ends well ``new`` is ``output``.

    When it does not, the folder stays if it holds records of finished work, else it is removed.

    Raises:
        UsageError: as :func:`workspace`, finished artifacts apart.
    """
    check_output(output, overwrite, kind)
    partial = partial_of(output)
    if partial.is_symlink() or (partial.exists() and not _is_ours(partial)):
        raise UsageError(f"{partial}: exists and is not ours; move it away or choose another name")
    partial.mkdir(parents=True, exist_ok=True)
    marker = partial / MARKER
    with _opened(marker, output, kind) as lock:
        _lock(lock, marker, output, kind)
        claimed = Claim(output, partial, lock.fileno())
        try:
            for child in list(partial.iterdir()):
                if child.is_symlink():  # we make none, and would work in what it points to
                    child.unlink()
            _bring_back(claimed, overwrite, kind)
            yield claimed
            check_output(output, overwrite, kind)
            _replace(claimed, kind)
        except BaseException:
            if not holds_finished(output) and not debug.enabled():
                _discard(partial)
            raise
        _discard(partial)


def partial_of(output: Path) -> Path:
    """Where ``output`` is built; raises UsageError for a name such as ``.``, which has no other."""
    _check_name(output)
    return output.with_name(output.name + ".partial")


def holds_finished(output: Path) -> bool:
    """Whether an interrupted export left finished artifacts for ``output``."""
    records = partial_of(output) / RECORDS
    return records.is_dir() and any(records.glob("*.json"))


def check_output(output: Path, overwrite: bool, kind: Kind = BUNDLE) -> None:
    """Raise UsageError unless ``output`` may be written: absent, empty, or a bundle of ours."""
    _check_name(output)
    for parent in output.absolute().parents:
        if parent.exists():
            if not parent.is_dir():
                raise UsageError(
                    f"{parent}: is a file, no {kind.noun} fits below it; choose another"
                )
            break
    if output.is_symlink():
        raise UsageError(f"{output}: is a symbolic link; name the folder that it points to")
    if links.blobs_of(output) is not None:
        raise UsageError(
            f"{output}: lies in the cache of a hub, which only downloads change; work on a copy "
            "(cp -rL), or choose another name"
        )
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


def _check_name(output: Path) -> None:
    if output.name in {"", ".."}:
        raise UsageError(f"{output}: names no folder of its own; choose another name")


def remove_all(folder: Path, but: str = "") -> None:
    """Empty ``folder``; links are removed, not followed."""
    for child in folder.iterdir():
        if child.name != but:
            remove(child)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that it holds."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _is_ours(partial: Path) -> bool:
    if not partial.is_dir():
        return False
    marker = partial / MARKER
    return (marker.is_file() and not marker.is_symlink()) or not any(partial.iterdir())


@contextmanager
def _opened(marker: Path, output: Path, kind: Kind) -> Iterator[IO[str]]:
    try:
        lock = marker.open("a")
    except FileNotFoundError:  # its owner removed the folder between our look and now
        raise _busy(output, kind) from None
    with lock:
        yield lock


def _busy(output: Path, kind: Kind) -> UsageError:
    return UsageError(
        f"{output}: another {kind.work} is writing it; wait for it or choose another name"
    )


def _lock(lock: IO[str], marker: Path, output: Path, kind: Kind) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _busy(output, kind) from None
    # Between our opening the marker and locking it, its owner may have removed it.
    if not marker.exists() or os.fstat(lock.fileno()).st_ino != marker.stat().st_ino:
        raise _busy(output, kind)


def _discard(partial: Path) -> None:
    """Remove the folder, its marker last: whoever comes meanwhile finds it locked or gone."""
    with suppress(OSError):
        remove_all(partial, but=MARKER)
        (partial / MARKER).unlink()
        partial.rmdir()


def _replace(claimed: Claim, kind: Kind) -> None:
    """Make ``new`` the output, in one step where the system can swap two folders."""
    new, output = claimed.new, claimed.output
    if not (new / kind.proof).is_file():
        raise BundleError(f"{new}: has no {kind.proof} and cannot become {output}")
    durable.sync_tree(new)
    if not output.exists():
        new.rename(output)
    elif not durable.exchange(new, output):
        _replace_in_two_steps(claimed)
    durable.sync_path(output.parent)


def _replace_in_two_steps(claimed: Claim) -> None:
    # The former output comes back on failure or interruption, which may strike between any two
    # lines; after a kill the next run brings it back.
    old = claimed.partial / _OLD
    try:
        claimed.output.rename(old)
        claimed.new.rename(claimed.output)
    except BaseException:
        if old.exists() and not claimed.output.exists():
            old.rename(claimed.output)
        raise


def _bring_back(claimed: Claim, overwrite: bool, kind: Kind) -> None:
    old = claimed.partial / _OLD
    if not claimed.output.exists() and old.is_dir() and kind.complete(old):
        old.rename(claimed.output)
        check_output(claimed.output, overwrite, kind)
