"""How every program of ours starts and ends: signals, streams, ``--debug``, errors in one line."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mobileo_export import __version__
from mobileo_export.cli import streams
from mobileo_export.cli.output import print_error
from mobileo_export.errors import InternalError, MobileoError, typed_line
from mobileo_export.processes import collecting, debug, importing, interrupts, waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SIGNAL_CODES = {128 + number for number in interrupts.ENDING}
# Modules that take locks in Python code, and where they hold none of them: in a wait.
_LOCKING = ("/threading.py", "/queue.py", "/concurrent/futures/thread.py", "/futures/_base.py")
_WAITING = {"wait", "join", "_wait_for_tstate_lock"}
_SOON = 0.002
_PACKAGE = __name__.partition(".")[0]
_ENDING = {_PACKAGE, "typer", "click", "__main__"}  # which may end the program
_LONGEST = 300  # characters of a command line that are shown


def main(module: str) -> NoReturn:
    """Import ``module``, run its ``app`` and end the process; an interrupt is heard from the start.

    Exit codes: 0 fine, 1 a check failed, 2 usage or could not run, 130 interrupted (143 when
    asked to terminate).
    """
    for number in interrupts.ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays in force
            signal.signal(number, _stop)
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # for what libraries start, see child_process
    importing.without_unused()
    waiting.briefly()
    streams.prepare()
    code = call(lambda: import_module(module).app())
    failure = streams.finish()
    if failure is not None:
        print_error(f"standard output: {failure.strerror}")
        code = code or 2
    collecting.leave()
    sys.exit(code)


def call(app: Callable[[], object]) -> int:
    """Run ``app`` on the arguments of this process; its exit code, errors printed in one line."""
    before = os.environ.get(debug.VARIABLE)
    try:
        app()
    except BaseException as error:
        if debug.enabled() and not isinstance(error, SystemExit):
            traceback.print_exc()
        return _failed(error)
    finally:
        if before is None:
            os.environ.pop(debug.VARIABLE, None)
    return 0


def _failed(error: BaseException) -> int:
    """Say what ``error`` means to the user; the exit code."""
    if isinstance(error, SystemExit):
        return _ended(error)
    if isinstance(error, MobileoError):
        print_error(str(error))
        return error.exit_code
    from mobileo_export.processes import broken_imports

    broken = broken_imports.explained(error)
    if broken is not None:
        print_error(str(broken))
        return broken.exit_code
    if isinstance(error, OSError):
        # A full disk, a forbidden folder: the user's to mend, and named by the system.
        named = error.filename is not None and error.strerror
        print_error(f"{error.filename}: {error.strerror}" if named else str(error))
    elif isinstance(error, MemoryError):
        print_error("memory ran out; close other programs, or raise the limit that is set on it")
    elif isinstance(error, KeyboardInterrupt):  # raised by a library, see _stop
        print_error("interrupted")
        return 128 + signal.SIGINT
    else:
        print_error(_internal(error))
    return 2


def _ended(stop: SystemExit) -> int:
    """The exit code of an end: typer ends every command so, and so may a library in its midst."""
    if stop.code in _SIGNAL_CODES:
        print_error("interrupted")
    elif isinstance(stop.code, str):
        print_error(stop.code)
        return 2
    else:
        frames = [frame for frame, _ in traceback.walk_tb(stop.__traceback__)]
        by = str(frames[-1].f_globals.get("__name__", "")).partition(".")[0] if frames else _PACKAGE
        if by not in _ENDING:
            print_error(f"{by} ended the program (exit code {stop.code or 0}); --debug shows where")
            if debug.enabled():
                traceback.print_exception(stop)
            return 2
    return stop.code if isinstance(stop.code, int) else 0


def _internal(error: BaseException) -> str:
    """A bug of ours: what it was, and what we need to know of it."""
    import platform
    import shlex

    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _PACKAGE in Path(frame.filename).parts] or frames
    where = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    what = typed_line(error)
    if isinstance(error, InternalError):  # says all of it
        what, where = str(error), ""
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    if len(command) > _LONGEST:
        command = command[: _LONGEST - 1] + "…"
    shown = "the traceback above" if debug.enabled() else "what it prints when --debug is added"
    return (
        f"internal error, not your fault: {what}{where}; please report it with {shown}, and: "
        f"{_PACKAGE} {__version__}, Python {platform.python_version()}, {platform.platform()}, "
        f"{command}"
    )


def _stop(number: int, frame: FrameType | None) -> None:
    """End the program, but not between a lock's taking and its release, which others wait for."""
    code = frame.f_code if frame is not None else None
    if code and code.co_filename.endswith(_LOCKING) and code.co_name not in _WAITING:
        signal.signal(signal.SIGALRM, lambda _, later: _stop(number, later))
        signal.setitimer(signal.ITIMER_REAL, _SOON)
        return
    # Not KeyboardInterrupt: what typer makes of that depends on its release.
    raise SystemExit(128 + number)
