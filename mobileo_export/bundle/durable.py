"""What must survive a crash or a power cut: writing through to the disk, and swapping at once.

``os.rename`` is atomic but says nothing of the data: after a power cut a renamed file can be empty
unless it was synchronised first, and the name itself can be the old one unless its folder was.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS: the same number
# What a file system that cannot do it says; the rest (no space, no permission) are real failures.
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_SUFFIX = ".new"


def write_text(path: Path, text: str) -> None:
    """Write ``path`` so that it holds the old contents or all of the new, whatever happens."""
    new = path.with_name(path.name + _SUFFIX)
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        sync(file.fileno())
    new.replace(path)
    sync_path(path.parent)


def sync(descriptor: int) -> None:
    """Have the disk itself hold what was written, as far as the system can make it."""
    if sys.platform == "darwin":  # fsync reaches the drive's cache there, F_FULLFSYNC its platters
        import fcntl

        with suppress(OSError):  # a network share
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def sync_path(path: Path) -> None:
    """:func:`sync` of a file or a folder by its name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    except OSError as error:
        # Some network file systems do not know how to synchronise a folder; they have no need to.
        if error.errno not in _UNSUPPORTED or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """:func:`sync` of every file below ``folder``, of the folders, and of itself last."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.is_symlink() and (path.is_file() or path.is_dir()):
            sync_path(path)
    sync_path(folder)


def exchange(left: Path, right: Path) -> bool:
    """Swap two paths of one file system in one step; False where the system has no such call.

    Raises:
        OSError: it has one, which failed.
    """
    call = _exchange_call()
    if call is None:
        return False
    if call(os.fsencode(left), os.fsencode(right)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(left))


@functools.cache
def _exchange_call() -> Callable[[bytes, bytes], int] | None:
    library: Any = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "darwin":
            call = library.renamex_np
            return lambda left, right: int(call(left, right, _EXCHANGE))
        call = library.renameat2  # glibc 2.28, musl 1.2
        return lambda left, right: int(call(_AT_FDCWD, left, _AT_FDCWD, right, _EXCHANGE))
    except AttributeError:
        return None
