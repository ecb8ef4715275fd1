"""Run conversion jobs in worker processes and collect what they report."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from mobileo_export import errors
from mobileo_export.errors import ConversionError, MobileoError


@dataclass(frozen=True)
class Progress:
    """How far one job is: ``done`` of ``total`` steps of ``stage``."""

    job: str
    stage: str
    done: int
    total: int


class _Worker:
    """One ``python -m mobileo_export.worker`` and its queue of jobs."""

    def __init__(
        self,
        jobs: Sequence[Mapping[str, Any]],
        preload: bool,
        log: IO[str] | None,
        events: queue.Queue[tuple[_Worker, dict[str, Any] | None]],
    ) -> None:
        self.pending = [str(job["id"]) for job in jobs]
        arguments = [sys.executable, "-m", "mobileo_export.worker"]
        self.process = subprocess.Popen(
            [*arguments, "--preload"] if preload else arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "TQDM_DISABLE": "1"},  # progress is reported here, not in the log
            start_new_session=True,  # so that an interrupt reaches its children through us only
        )
        assert self.process.stdin is not None
        self.process.stdin.write("".join(json.dumps(job) + "\n" for job in jobs))
        self.process.stdin.close()
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def _listen(self, events: queue.Queue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            events.put((self, json.loads(line)))
        events.put((self, None))

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


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
    events: queue.Queue[tuple[_Worker, dict[str, Any] | None]] = queue.Queue()
    results: dict[str, dict[str, Any]] = {}
    with _started(queues, log, events) as workers:
        running = set(workers)
        while running:
            worker, event = events.get()
            if event is None:
                running.discard(worker)
                if worker.pending:
                    raise _killed(worker.pending[0], -(worker.process.wait()))
                continue
            _handle(worker, event, results, progress)
    return results


def _handle(
    worker: _Worker,
    event: dict[str, Any],
    results: dict[str, dict[str, Any]],
    progress: Callable[[Progress], None],
) -> None:
    kind = event["event"]
    if kind == "progress":
        progress(Progress(event["id"], event["stage"], event["done"], event["total"]))
    elif kind == "done":
        results[event["id"]] = event["result"]
        worker.pending.remove(event["id"])
    elif kind == "failed":
        error = getattr(errors, event["kind"], MobileoError)
        raise error(event["message"])
    elif kind == "crashed":
        raise ConversionError(
            f"{event['id']}: conversion crashed ({event['message']}); see the log for the traceback"
        )
    elif kind == "died":
        raise _killed(event["id"], event["signal"])


@contextmanager
def _started(
    queues: Sequence[tuple[bool, Sequence[Mapping[str, Any]]]],
    log: IO[str] | None,
    events: queue.Queue[tuple[_Worker, dict[str, Any] | None]],
) -> Iterator[list[_Worker]]:
    workers: list[_Worker] = []
    try:
        for preload, jobs in queues:
            if jobs:
                workers.append(_Worker(jobs, preload, log, events))
        yield workers
    finally:
        for worker in workers:
            worker.kill()


def _killed(job: str, number: int) -> ConversionError:
    if number == signal.SIGKILL:
        return ConversionError(
            f"{job}: its process was killed, most likely because memory ran out; "
            "close other programs or export one component at a time (--only)"
        )
    name = signal.Signals(number).name if number > 0 else f"exit code {-number}"
    return ConversionError(f"{job}: its process ended with {name}; see the log")
