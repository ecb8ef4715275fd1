"""One case under watch: what it raised, what it touched, how long and how large it grew."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from mobileo_export.errors import MobileoError

if TYPE_CHECKING:
    from collections.abc import Iterator

Outcome = Literal["ok", "refused", "bug"]
LONGEST_MESSAGE = 1000
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events that change the file system, and which of their arguments are paths.
_CHANGES = {
    "os.remove": (0,), "os.rename": (0, 1), "os.mkdir": (0,), "os.rmdir": (0,), "os.link": (0, 1),
    "os.symlink": (1,), "os.truncate": (0,), "os.chmod": (0,), "os.utime": (0,),
    "shutil.rmtree": (0,), "shutil.move": (0, 1),
}  # fmt: skip


class TooSlow(BaseException):
    """The case used up its processor time."""


@dataclass(frozen=True)
class Verdict:
    """What became of a case.

    Attributes:
        outcome: read, refused in one line, or neither.
        detail: the message, or what was wrong.
        trace: of an exception that nobody expected.
        seconds: of processor time.
        memory: bytes that the process grew by at most, mapped files included.
    """

    outcome: Outcome
    detail: str
    trace: str
    seconds: float
    memory: int


@dataclass(frozen=True)
class Bounds:
    """What a case may take."""

    seconds: float = 10.0
    memory: int = 400 << 20


BOUNDS = Bounds()


class _Watch:
    """The audit hook's state: hooks cannot be removed, so that there is one, mostly asleep."""

    def __init__(self) -> None:
        self.active = False
        self.writable: tuple[str, ...] = ()
        self.forbidden = ""
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes | os.PathLike):
                self._opened(_absolute(path), bool(flags and flags & _WRITES))
        elif event in _CHANGES and not _within_open_folder(event, arguments):
            for index in _CHANGES[event]:
                if isinstance(arguments[index], str | bytes | os.PathLike):
                    self._opened(_absolute(arguments[index]), True)

    def _opened(self, path: str, write: bool) -> None:
        if write and path != os.devnull and not path.startswith(self.writable):
            self.seen.append(f"wrote to {path}")
        elif path.startswith(self.forbidden):
            self.seen.append(f"opened {path}")


def _within_open_folder(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether the names are relative to folders opened before, as when a tree is removed."""
    return event in {"os.remove", "os.rmdir"} and arguments[1] != -1


_watch = _Watch()
sys.addaudithook(_watch)


def _absolute(path: Any) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - as it is named, links not followed


def judge(
    use: Callable[[], object],
    *,
    inputs: Path,
    outside: Path,
    output: Path,
    bounds: Bounds = BOUNDS,
) -> Verdict:
    """Call ``use`` and judge it; it may write below ``output`` only.

    Args:
        use: reads ``inputs``.
        inputs: the damaged files, which stay as they are.
        outside: a folder that no name in a file may lead to.
        output: what may be written.
        bounds: of time and memory.
    """
    before = _snapshot(inputs) | _snapshot(outside)
    _watch.writable, _watch.forbidden = (f"{output}{os.sep}", str(output)), str(outside)
    _watch.seen = []
    _reset_peak()
    resident = _status("VmRSS")
    started = time.process_time()
    outcome, detail, trace = "ok", "", ""
    try:
        with _deadline(bounds.seconds):
            _watch.active = True
            try:
                use()
            finally:
                _watch.active = False
    except MobileoError as error:
        outcome, detail = "refused", str(error)
    except TooSlow:
        outcome, detail, trace = "bug", "took too long", traceback.format_exc()
    except (Exception, SystemExit) as error:
        outcome, detail = "bug", f"{type(error).__name__}: {error}"
        trace = traceback.format_exc()
    seconds = time.process_time() - started
    memory = max(0, _status("VmHWM") - resident)
    problem = _problem(outcome, detail, _watch.seen, memory, bounds)
    if problem is None and _snapshot(inputs) | _snapshot(outside) != before:
        problem = "changed the input or what lies outside"
    if problem is not None:
        outcome, detail = "bug", problem
    return Verdict(outcome, detail, trace, round(seconds, 3), memory)  # type: ignore[arg-type]


def _problem(outcome: str, detail: str, seen: list[str], memory: int, bounds: Bounds) -> str | None:
    if outcome == "refused" and (not detail.isprintable()):
        return f"the message is no printable line: {detail[:200]!r}"
    if outcome == "refused" and len(detail) > LONGEST_MESSAGE:
        return f"the message has {len(detail)} characters"
    if seen:
        return seen[0]
    if memory > bounds.memory and outcome != "bug":
        return f"grew by {memory >> 20} MB"
    return None


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    def late(number: int, frame: Any) -> NoReturn:
        raise TooSlow

    # Processor time, whatever else the machine does; the other clock is for who waits for ever.
    clocks = {
        signal.SIGPROF: (signal.ITIMER_PROF, seconds),
        signal.SIGALRM: (signal.ITIMER_REAL, 10 * seconds),
    }
    previous = {number: signal.signal(number, late) for number in clocks}
    for timer, limit in clocks.values():
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for timer, _ in clocks.values():
            signal.setitimer(timer, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(root, name)  # noqa: PTH118 - names of any bytes
            state = os.lstat(path)
            found[path] = (state.st_mode, state.st_size, state.st_mtime_ns)
    return found


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # not Linux, or not allowed: the peak of the whole process then
        return


def _status(field: str) -> int:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0
