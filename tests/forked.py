"""A child of this process: what is imported here it has too, and needs no seconds for it.

For tests of what happens to a program in its midst, or beside another; how one starts, and with
which variables, is said by ``tests.command.start``. A child has none of the threads of libraries:
torch computes in one and takes no gradients, MLX computes not at all.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from mobileo_export.cli import program

from .command import Finished

_MOST = 1 << 20  # bytes that are printed


class Forked:
    """``call`` in a child; a context, at whose end it is no more."""

    def __init__(self, call: Callable[[], object]) -> None:
        # Closed with this context; the child prints into them.
        self._printed = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115
        self._code: int | None = None
        self.pid = os.fork()
        if not self.pid:
            self._run(call)

    def _run(self, call: Callable[[], object]) -> NoReturn:
        code: object = 1
        try:
            for number, file in enumerate(self._printed, 1):
                os.dup2(file.fileno(), number)
            sys.stdout, sys.stderr = (os.fdopen(n, "w", 1, closefd=False) for n in (1, 2))
            for signal_number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(signal_number, signal.SIG_DFL)
            if "torch" in sys.modules:  # of whose threads a child has none
                sys.modules["torch"].set_num_threads(1)
            call()
            code = 0
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code if isinstance(code, int) else bool(code))

    def __enter__(self) -> Forked:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        for file in self._printed:
            file.close()

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def printed(self) -> tuple[str, str]:
        """What it printed so far, on standard output and standard error."""
        out, err = (os.pread(file.fileno(), _MOST, 0).decode() for file in self._printed)
        return out, err

    def finish(self, seconds: float = 120.0) -> Finished:
        """Wait for its end."""
        deadline = time.monotonic() + seconds
        while (code := self.poll()) is None:
            assert time.monotonic() < deadline, "it does not end"
            time.sleep(0.01)
        return Finished(code, *self.printed())


def fork(*arguments: str | Path) -> Forked:
    """The program at work in a child, from its signals to its exit code."""

    def run() -> None:
        sys.argv = ["mobileo-export", *map(str, arguments)]
        program.main("mobileo_export.cli.main")

    return Forked(run)
