"""Troubles other than kills: a full disk, a shard that changes, forbidden folders, a mad clock."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mobileo_export.bundle.workspace import partial_of
from tests.faults.harness import BrokenError, Export, Finished, end, finish
from tests.process_tree import descendants

_PR_CAPBSET_DROP = 24
_PASSES_PERMISSIONS = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_SHARD = "model.safetensors"


class ImpossibleError(Exception):
    """This machine does not let the test arrange the trouble."""


def refused(done: Finished, *words: str) -> None:
    """Raise BrokenError unless a run ended with an error of one line that has one of ``words``."""
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    if done.code != 2 or not errors or "Traceback" in done.err:
        raise BrokenError(f"exit code {done.code}: {done.err}")
    if not any(word in line for line in errors for word in words):
        raise BrokenError(f"the error does not say {words}: {errors}")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of ``size`` bytes.

    Raises:
        ImpossibleError: mounting is not allowed.
    """
    folder.mkdir()
    arguments = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(arguments, capture_output=True, check=False).returncode != 0:
        raise ImpossibleError("a file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full_disk(checkpoint: Path, folder: Path, only: str, reference: dict[str, str]) -> None:
    """The disk fills up while the export runs; with room again, it is completed."""
    # What the export asks for before it begins is there; then somebody else takes it.
    with small_disk(folder / "disk", 96 << 20) as disk:
        export = Export(checkpoint, disk, only)
        process = export.start()
        partial = partial_of(export.output)
        deadline = time.monotonic() + 300
        while not partial.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1 << 20)):
                pass
        refused(end(process, descendants(process.pid)), "No space left")
        kept = export.check()
        ballast.unlink()
        export.complete(reference, kept)


def refused_operation(export: Export, number: int, reference: dict[str, str]) -> bool:
    """The system refuses the ``number``-th operation on a file; False if there was none."""
    code = (errno.ENOSPC, errno.EIO, errno.EACCES)[number % 3]
    done = export.run(FOLDER=str(export.folder), AT=str(number), ERROR=str(code))
    if done.code == 0:  # it had none, or went on without: what was removed last may stay
        fresh = partial_of(export.output)
        if fresh.exists():
            shutil.rmtree(fresh)
        export.compare(reference)
        return False
    refused(done, os.strerror(code))
    export.complete(reference, export.check())
    return True


def shard_cut_short(export: Export, pristine: Path, reference: dict[str, str]) -> None:
    """A shard loses its end while it is read: never a bundle, never a traceback."""
    shard = export.checkpoint / _SHARD
    _meanwhile(export, lambda: os.truncate(shard, shard.stat().st_size // 2))
    _restore(shard, pristine)
    export.complete(reference, export.check())


def shard_replaced(export: Export, pristine: Path, reference: dict[str, str]) -> None:
    """A shard is replaced by another of the same layout while it is read: nothing mixed is kept."""
    shard = export.checkpoint / _SHARD

    def replace() -> None:
        data = bytearray(shard.read_bytes())
        (length,) = struct.unpack("<Q", data[:8])
        start = 8 + length
        data[start:] = data[: start - 1 : -1]  # other values, in bytes that are all there
        other = shard.with_name("other")
        other.write_bytes(data)
        other.replace(shard)

    _meanwhile(export, replace)
    _restore(shard, pristine)
    export.complete(reference, export.check())


def _meanwhile(export: Export, change: Callable[[], object]) -> None:
    """Begin, ``change`` the checkpoint as soon as the work has begun, and see it refused."""
    process = export.start()
    work = partial_of(export.output) / "work"
    deadline = time.monotonic() + 300
    while not work.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    change()
    done = end(process, descendants(process.pid))
    if export.output.exists():
        raise BrokenError("a bundle was made of a checkpoint that changed")
    # Which of these depends on who reads what at that moment.
    found = ("changed", "ends in the middle", "SIGBUS", "NaN", "cannot be read", "beyond")
    refused(done, *found, "not a readable safetensors file")


def _restore(shard: Path, pristine: Path) -> None:
    shutil.copyfile(pristine / _SHARD, shard)


def forbidden_folder(export: Export) -> None:
    """A folder that may not be written: one line, nothing done.

    Raises:
        ImpossibleError: the program cannot be run as somebody whom permissions bind.
    """
    closed = export.folder / "closed"
    closed.mkdir(mode=0o555)
    probe = [sys.executable, "-c", f"import os; print(os.access({str(closed)!r}, os.W_OK))"]
    found = subprocess.run(
        probe,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=_bind,
    )
    if found.stdout != "False\n":
        raise ImpossibleError("permissions do not bind this user")
    inside = Export(export.checkpoint, closed, export.only)
    refused(finish(inside.start(before=_bind)), "Permission denied")
    if any(closed.iterdir()):
        raise BrokenError("something was written into a closed folder")


def _bind() -> None:
    """Have permissions bind root too, in this process and what it becomes (Linux)."""
    if sys.platform == "linux" and os.geteuid() == 0:
        library = ctypes.CDLL(None)
        for capability in _PASSES_PERMISSIONS:
            library.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def mad_clock(export: Export, reference: dict[str, str], seed: int) -> None:
    """Times jump by decades at every look, and files come from the future: the same bytes."""
    process = export.start(CLOCK=str(seed))
    family = descendants(process.pid)
    partial = partial_of(export.output)
    deadline = time.monotonic() + 300
    while not partial.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    done = end(process, family)
    if done.code != 0:
        raise BrokenError(f"exit code {done.code}: {done.err}")
    export.compare(reference)
    for when in (0.0, 4e9):
        for path in export.output.rglob("*"):
            os.utime(path, (when, when))
        again = export.run(CLOCK=str(seed + 1))
        if again.code != 0 or again.report["reused"] != export.only.split(","):
            raise BrokenError(f"times of files decide what is reused: {again}")
        export.compare(reference)
