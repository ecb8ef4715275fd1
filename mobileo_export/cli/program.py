"""How every program of ours starts and ends: signals, broken pipes, errors in one line."""

from __future__ import annotations

import io
import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from mobileo_export.cli.output import print_error
from mobileo_export.errors import MobileoError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SIGNAL_CODES = {128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP}
# Modules that take locks in Python code, and where they hold none of them: in a wait.
_LOCKING = ("/threading.py", "/queue.py", "/concurrent/futures/thread.py", "/futures/_base.py")
_WAITING = {"wait", "join", "_wait_for_tstate_lock"}
_SOON = 0.002


def main(module: str) -> NoReturn:
    """Import ``module``, run its ``app`` and end the process; an interrupt is heard from the start.

    Exit codes: 0 fine, 1 a check failed, 2 usage or could not run, 130 interrupted (143 when
    asked to terminate).
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays in force
            signal.signal(number, _stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # any file name can be shown on any terminal
            stream.reconfigure(errors="backslashreplace")
    stdout = sys.stdout
    try:
        code = call(lambda: import_module(module).app())
        if sys.stdout is not stdout:  # what typer does when nobody reads it any more
            raise BrokenPipeError
        stdout.flush()
    except BrokenPipeError:
        # Whoever reads us, such as head, has seen enough; nothing must be flushed at exit again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        code = 0
    sys.exit(code)


def call(app: Callable[[], object]) -> int:
    """Run ``app`` on the arguments of this process; its exit code, expected errors printed."""
    try:
        app()
    except SystemExit as stop:  # typer ends every command so
        if stop.code in _SIGNAL_CODES:
            print_error("interrupted")
        return stop.code if isinstance(stop.code, int) else 0
    except MobileoError as error:
        print_error(str(error))
        return error.exit_code
    except ModuleNotFoundError as error:
        from mobileo_export import extras

        missing = extras.missing(error)
        if missing is None:
            raise
        print_error(str(missing))
        return missing.exit_code
    except OSError as error:
        # A full disk, a forbidden folder: the user's to mend, and named by the system.
        named = error.filename is not None and error.strerror
        print_error(f"{error.filename}: {error.strerror}" if named else str(error))
        return 2
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    """End the program, but not between a lock's taking and its release, which others wait for."""
    code = frame.f_code if frame is not None else None
    if code and code.co_filename.endswith(_LOCKING) and code.co_name not in _WAITING:
        signal.signal(signal.SIGALRM, lambda _, later: _stop(number, later))
        signal.setitimer(signal.ITIMER_REAL, _SOON)
        return
    # Not KeyboardInterrupt: what typer makes of that depends on its release.
    raise SystemExit(128 + number)
