"""Processes that work for us: jobs go in, events come out, one JSON object a line.

A job comes on the worker's standard input and has an ``id``. Events go to its standard output:
``progress`` of a job, then one of ``done`` (with its ``result``), ``failed`` (the user's to mend,
with the class of the error) and ``crashed`` (not the user's); a worker may have others of its own.
Whatever libraries print goes to standard error, the log. A worker ends with who started it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

from mobileo_export.errors import MobileoError, typed_line
from mobileo_export.processes import broken_imports, child_process, importing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO, NoReturn, TextIO

    from mobileo_export.progress import OnStage

    Event = dict[str, Any]

_T = TypeVar("_T")
# A signal that comes just before a wait begins does not end the wait: its handler runs after it.
_POLL = 0.5
_PR_SET_PDEATHSIG = 1


class Worker:
    """A process that takes jobs, seen by the one that gives them; leaving its block ends it.

    It is started by the thread that listens to it. Python runs signal handlers in the main thread
    only, so that no interrupt can come between the birth of the process and our knowing its id.
    That thread lives as long as the process: to the kernel it is the parent, which the process does
    not survive (:func:`die_with`).
    """

    def __init__(
        self,
        command: Sequence[str],
        tell: Callable[[Worker, Event | None], None],
        log: IO[str] | None = None,
        keep: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``command`` is not started yet.

        Args:
            command: of a program that ends in :func:`run`.
            tell: called in another thread with each event, and with None at the end of them.
            log: takes its standard error; None for our own.
            keep: descriptors that it and its children hold open, such as that of a lock.
            environment: what differs from ours.
        """
        self._command = [*command, "--parent", str(os.getpid())]
        self._tell = tell
        self._log = log
        self._keep = keep
        self._environment = environment or {}
        self._process: subprocess.Popen[str] | None = None
        self._failure: OSError | None = None
        self._begun = False
        self._known = threading.Event()  # the process was started, or could not be
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; whether that works is told by its end and :meth:`exit_code`."""
        self._begun = True
        self._thread.start()

    def _listen(self) -> None:
        try:
            self._process = process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                env=child_process.environment(**self._environment),
                start_new_session=True,  # an interrupt reaches it and its children through us only
                pass_fds=self._keep,
            )
            self._known.set()
            assert process.stdout is not None
            for line in process.stdout:
                self._tell(self, json.loads(line))
        except OSError as error:
            self._failure = error
        except ValueError:  # a line that was cut short: the worker is of no use any more
            pass
        finally:
            self._known.set()
            self._tell(self, None)
            if self._process is not None:
                self._process.wait()
                for pipe in (self._process.stdin, self._process.stdout):
                    with contextlib.suppress(OSError):  # what was not read of a job
                        assert pipe is not None
                        pipe.close()

    def send(self, job: Mapping[str, Any]) -> None:
        """Give it a job; the end of its events tells if it is dead."""
        self._known.wait()
        if self._process is not None:
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError, ValueError):  # gone, or closed behind it
                self._process.stdin.write(json.dumps(job) + "\n")
                self._process.stdin.flush()

    def exit_code(self) -> int:
        """Negative for a signal, as subprocess has it; raises OSError if it never started."""
        if self._process is None:
            raise self._failure or OSError("the worker process could not be started")
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # alive, but silent
            self.kill()
            return self._process.wait()

    def kill(self) -> None:
        """End the worker and the children it forked; they share its session."""
        if not self._begun:
            return
        self._known.wait(timeout=10)
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # Its children are not ours to wait for, but the pipe stays open until the last is gone.
        self._thread.join(timeout=10)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def take(messages: queue.Queue[_T]) -> _T:
    """The next of what workers told, as soon as it is there; an interrupt ends the wait."""
    while True:
        with contextlib.suppress(queue.Empty):
            return messages.get(timeout=_POLL)


# From here on the worker's own side.


def arguments(description: str) -> argparse.ArgumentParser:
    """What the command line of every worker has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--parent", type=int, required=True, help="the process to end with")
    return parser


def run(serve: Callable[[TextIO], None], parent: int) -> NoReturn:
    """Be a worker of ``parent``: ``serve`` takes jobs and tells events; the process ends with it.

    From now on standard output is for events alone.
    """
    die_with(parent)
    importing.without_unused()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        serve(events)
    sys.stdout.flush()
    os._exit(0)  # what libraries do at the end of a process is of no use here


def die_with(parent: int) -> None:
    """End this process by SIGKILL as soon as ``parent``, which started it, ends (Linux)."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before it was asked for
        os._exit(1)


def perform(
    job: dict[str, Any],
    work: Callable[[dict[str, Any], OnStage], dict[str, Any]],
    events: TextIO,
    place: str,
) -> None:
    """Do a job and tell how it went; ``place`` is where it writes, for errors that name no file."""
    name = job["id"]

    def report(stage: str, done: int, total: int) -> None:
        send(events, "progress", id=name, stage=stage, done=done, total=total)

    def failed(kind: str, message: str) -> None:
        send(events, "failed", id=name, kind=kind, message=message)

    try:
        send(events, "done", id=name, result=work(job, report))
    except MobileoError as error:
        failed(type(error).__name__, str(error))
    except BaseException as error:
        unusable = broken_imports.explained(error)
        if unusable is not None:
            traceback.print_exc()
            failed(type(unusable).__name__, str(unusable))
        elif isinstance(error, OSError):
            failed("OSError", f"{error.filename or place}: {error.strerror or error}")
        else:  # a bug of ours or of a library
            traceback.print_exc()
            send(events, "crashed", id=name, message=typed_line(error))


def send(events: TextIO, event: str, **facts: object) -> None:
    """Tell an event."""
    events.write(json.dumps({"event": event, **facts}) + "\n")
    events.flush()
