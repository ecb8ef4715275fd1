"""Run conversion jobs in worker processes and collect what they report."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export import errors
from mobileo_export.errors import ConversionError, MobileoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import IO


# A signal that comes just before a wait begins does not end the wait: its handler runs after it.
_POLL = 0.5


@dataclass(frozen=True)
class Progress:
    """How far one job is: ``done`` of ``total`` steps of ``stage``."""

    job: str
    stage: str
    done: int
    total: int


class _Worker:
    """One ``python -m mobileo_export.worker`` and its queue of jobs.

    It is started by the thread that listens to it. Python runs signal handlers in the main thread
    only, so that no interrupt can come between the birth of the process and our knowing its id.
    """

    def __init__(
        self,
        jobs: Sequence[Mapping[str, Any]],
        preload: bool,
        log: IO[str] | None,
        events: queue.Queue[_Event],
    ) -> None:
        self.pending = [str(job["id"]) for job in jobs]
        self._jobs = "".join(json.dumps(job) + "\n" for job in jobs)
        self._arguments = [sys.executable, "-m", "mobileo_export.worker"]
        if preload:
            self._arguments.append("--preload")
        self._log = log
        self._events = events
        self._process: subprocess.Popen[str] | None = None
        self._failure: OSError | None = None
        self._begun = False
        self._known = threading.Event()  # the process was started, or could not be
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def start(self) -> None:
        self._begun = True
        self._thread.start()

    def _listen(self) -> None:
        try:
            self._process = process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                env={**os.environ, "TQDM_DISABLE": "1"},  # progress is reported by events
                start_new_session=True,  # an interrupt reaches it and its children through us only
            )
            self._known.set()
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):  # it died at once; the end of its output will tell
                process.stdin.write(self._jobs)
                process.stdin.close()
            for line in process.stdout:
                self._events.put((self, json.loads(line)))
        except OSError as error:
            self._failure = error
        finally:  # also when its last line was cut short
            self._known.set()
            self._events.put((self, None))

    def exit_code(self) -> int:
        """Negative for a signal, as subprocess has it; raises OSError if it never started."""
        if self._process is None:
            raise self._failure or OSError("the worker process could not be started")
        return self._process.wait()

    def kill(self) -> None:
        """End the worker and the children it forked; they share its session."""
        if not self._begun:
            return
        self._known.wait(timeout=10)
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # Its children are not ours to wait for, but the pipe stays open until the last is gone.
        self._thread.join(timeout=10)


_Event = tuple[_Worker, "dict[str, Any] | None"]  # None: the worker has ended


def run(
    queues: Sequence[tuple[bool, Sequence[Mapping[str, Any]]]],
    log: IO[str] | None,
    progress: Callable[[Progress], None],
) -> dict[str, dict[str, Any]]:
    """Run each queue of jobs in a worker of its own, at the same time; results by job id.

    A queue is ``(preload, jobs)``; a job is a mapping with an ``id``. On any failure every worker
    is killed before the error is raised.

    Raises:
        MobileoError: a job failed for a reason that the user can act on.
        ConversionError: a job crashed or was killed.
    """
    events: queue.Queue[_Event] = queue.Queue()
    results: dict[str, dict[str, Any]] = {}
    with _started(queues, log, events) as workers:
        running = set(workers)
        while running:
            try:
                worker, event = events.get(timeout=_POLL)
            except queue.Empty:
                continue
            if event is None:
                running.discard(worker)
                if worker.pending:
                    raise _died(worker.pending[0], worker.exit_code(), log)
            elif event["event"] == "progress":
                progress(Progress(event["id"], event["stage"], event["done"], event["total"]))
            elif event["event"] == "done":
                results[event["id"]] = event["result"]
                worker.pending.remove(event["id"])
            elif event["event"] != "ready":
                raise _failure(event, log)
    return results


def _failure(event: Mapping[str, Any], log: IO[str] | None) -> MobileoError:
    if event["event"] == "failed":
        kind: type[MobileoError] = getattr(errors, event["kind"], MobileoError)
        return kind(event["message"])
    if event["event"] == "died":
        return _died(event["id"], event["code"], log)
    return ConversionError(
        f"{event['id']}: conversion crashed ({event['message']}), which is not your fault; "
        f"the traceback is in {_place(log)}"
    )


def _died(job: str, code: int, log: IO[str] | None) -> ConversionError:
    if code == -signal.SIGKILL:
        return ConversionError(
            f"{job}: its process was killed, most likely because memory ran out; "
            "close other programs or export one component at a time (--only)"
        )
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return ConversionError(f"{job}: its process was ended {how}; look in {_place(log)}")


def _place(log: IO[str] | None) -> str:
    return "what was printed above" if log is None else log.name


@contextmanager
def _started(
    queues: Sequence[tuple[bool, Sequence[Mapping[str, Any]]]],
    log: IO[str] | None,
    events: queue.Queue[_Event],
) -> Iterator[list[_Worker]]:
    workers = [_Worker(jobs, preload, log, events) for preload, jobs in queues if jobs]
    try:
        for worker in workers:
            worker.start()
        yield workers
    finally:
        for worker in workers:
            worker.kill()
