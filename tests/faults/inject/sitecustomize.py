"""Python runs this before the program of a fault test: it fails, or dies, at a chosen operation.

Before every operation on a file below a folder Python tells the audit hook of it. The hook counts,
and at the number that it was given kills the process or has the system refuse the operation.
"""

import os
import random
import signal
import sys
import time
from typing import Any

_FILES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "shutil.rmtree"}


def _install(at: int, folder: str, error: int, count_file: "int | None") -> None:
    seen = 0

    def hook(event: str, arguments: "tuple[Any, ...]") -> None:
        nonlocal seen
        if event == "open":
            path, _, flags = arguments
            if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in _FILES:
            path = arguments[0]
        else:
            return
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        where = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - looks at no file
        if not where.startswith(folder):
            return
        seen += 1
        if count_file is not None:
            os.write(count_file, b".")
        if seen == at:
            if error:
                raise OSError(error, os.strerror(error), os.fsdecode(path))
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _jumping_clock(seed: int) -> None:
    chance, real = random.Random(seed), time.time

    def jump() -> float:
        return real() + chance.uniform(-1e9, 1e9)

    time.time = jump


# Taken out of the environment: the processes that this one starts work undisturbed.
_at = int(os.environ.pop("FAULT_AT", "0"))
_folder = os.environ.pop("FAULT_FOLDER", "")
_error = int(os.environ.pop("FAULT_ERROR", "0"))
_count = os.environ.pop("FAULT_COUNT", "")
_clock = os.environ.get("FAULT_CLOCK", "")
if _folder:
    _install(_at, _folder, _error, os.open(_count, os.O_WRONLY | os.O_CREAT) if _count else None)
if _clock:
    _jumping_clock(int(_clock))
