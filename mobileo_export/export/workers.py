"""Run conversion jobs in worker processes and collect what they report."""

from __future__ import annotations

import queue
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mobileo_export import errors
from mobileo_export.errors import ConversionError, MissingDependencyError, MobileoError
from mobileo_export.processes import child_process
from mobileo_export.processes.deaths import Deaths
from mobileo_export.processes.interrupts import HeardOnce
from mobileo_export.processes.worker import Worker, take
from mobileo_export.progress import OnProgress, Progress, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import IO


# Progress is reported by events. Conversion is the processor's: where a library has looked for a
# GPU before a job is forked, torch refuses to look again in the job.
_ENVIRONMENT = {"TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""}
_STARTS = 2  # of one worker: a second time when it was killed, as for want of memory


@dataclass(frozen=True)
class Lane:
    """Jobs of one worker, each a mapping with an ``id``; ``slots`` of them run at one time.

    The worker imports ``libraries``, modules by their names, before it begins. A lane that is
    ``after`` waits for all others.
    """

    jobs: Sequence[Mapping[str, Any]]
    libraries: Sequence[str] = ()
    slots: int = 1
    after: bool = False


@dataclass
class Outcome:
    """What became of the jobs, by their ids; ``peaks`` is the most memory that each took."""

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, MobileoError] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Hooks:
    """What the caller does as jobs come and go.

    ``begin`` is called before a job is given to a worker, for a second time when the worker died.
    ``finish`` is called with a job's result, in another thread; what it raises fails the job.
    """

    begin: Callable[[str], None] = lambda job: None
    finish: Callable[[str, dict[str, Any]], None] = lambda job, result: None
    progress: OnProgress = ignore


# From a worker: what it said, None for its end. From a job's id: how its finish hook ended.
_Events = queue.Queue["tuple[Worker, dict[str, Any] | None] | tuple[str, Future[None]]"]


class _LaneState:
    """A lane at work."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.waiting = deque(lane.jobs)
        self.running: dict[str, Mapping[str, Any]] = {}
        self.worker: Worker | None = None
        self.importing = ""  # a library, until all are imported
        self.starts = 0

    @property
    def over(self) -> bool:
        return not self.waiting and not self.running

    def withdraw(self) -> list[Mapping[str, Any]]:
        """Take back the jobs that are not done, those at work first."""
        left = [*self.running.values(), *self.waiting]
        self.running.clear()
        self.waiting.clear()
        return left

    def stop(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.kill()


def run(
    lanes: Iterable[Lane],
    log: IO[str] | None = None,
    hooks: Hooks | None = None,
    keep: Sequence[int] = (),
) -> Outcome:
    """Run every lane of jobs in a worker of its own; a job that fails does not end the others.

    A worker that dies is started once more with the jobs that it had left. ``keep`` are
    descriptors that the workers and their children hold open, such as that of a lock.

    Raises:
        OSError: a worker cannot be started at all.
    """
    return _Run(lanes, log, hooks or Hooks(), keep).outcome()


class _Run:
    def __init__(
        self, lanes: Iterable[Lane], log: IO[str] | None, hooks: Hooks, keep: Sequence[int]
    ) -> None:
        self._lanes = [_LaneState(lane) for lane in lanes]
        self._log = log
        self._hooks = hooks
        self._keep = keep
        self._events: _Events = queue.Queue()
        self._finishing: set[str] = set()
        self._deaths = Deaths(_place(log))
        self._interrupts = HeardOnce()
        self._outcome = Outcome()

    def outcome(self) -> Outcome:
        # What is being finished when an interrupt comes is kept, whatever comes behind it.
        with self._interrupts, ThreadPoolExecutor(2) as self._pool, self._ended_workers():
            while not all(state.over for state in self._lanes) or self._finishing:
                self._feed()
                source, what = take(self._events)
                if isinstance(source, str):
                    assert isinstance(what, Future)
                    self._finished(source, what)
                elif what is None:
                    self._lost(source)
                else:
                    assert isinstance(what, dict)
                    self._heard(source, what)
        return self._outcome

    @contextmanager
    def _ended_workers(self) -> Iterator[None]:
        try:
            yield
        finally:
            for state in self._lanes:
                state.stop()

    def _feed(self) -> None:
        """Give every lane the jobs that it has room for; end the worker of one that is over."""
        for state in self._lanes:
            if state.over:
                state.stop()
                continue
            others = (other for other in self._lanes if other is not state)
            if state.lane.after and not all(other.over for other in others):
                continue
            if state.worker is None:
                state.worker = self._worker(state.lane.libraries)
                state.importing = ""
                state.starts += 1
                state.worker.start()
            while state.waiting and len(state.running) < state.lane.slots:
                job = state.waiting.popleft()
                state.running[str(job["id"])] = job
                self._hooks.begin(str(job["id"]))
                state.worker.send(job)

    def _worker(self, libraries: Sequence[str]) -> Worker:
        return Worker(
            child_process.module("mobileo_export.export.worker_process", *libraries),
            lambda worker, event: self._events.put((worker, event)),
            self._log,
            self._keep,
            _ENVIRONMENT,
        )

    def _of(self, worker: Worker) -> _LaneState | None:
        """The lane that ``worker`` works for; None when it was ended meanwhile."""
        return next((state for state in self._lanes if state.worker is worker), None)

    def _heard(self, worker: Worker, event: dict[str, Any]) -> None:
        job, kind, state = str(event.get("id")), event["event"], self._of(worker)
        if kind in {"importing", "ready"}:
            if state is not None:
                state.importing = event.get("module", "")
                if state.importing:
                    for waiting in state.running:
                        self._hooks.progress(
                            Progress(waiting, "importing", event["done"], event["total"])
                        )
        elif kind == "unusable":
            self._unusable(state, event["message"])
        elif kind == "progress":
            self._hooks.progress(Progress(job, event["stage"], event["done"], event["total"]))
        elif kind == "done":
            self._outcome.results[job] = event["result"]
        elif kind in {"failed", "crashed"}:
            self._fail(job, _failure(event, self._log))
        elif kind == "ended":
            if state is not None:
                state.running.pop(job, None)
            self._outcome.peaks[job] = event["peak_memory"]
            if job in self._outcome.results:
                self._finishing.add(job)
                with self._interrupts.held():  # or the pool may not know a thread that it started
                    future = self._pool.submit(self._hooks.finish, job, self._outcome.results[job])
                future.add_done_callback(lambda done: self._events.put((job, done)))
            elif job not in self._outcome.failures:
                self._fail(job, self._deaths.of(job, event["code"], event["peak_memory"]))

    def _finished(self, job: str, done: Future[None]) -> None:
        self._finishing.discard(job)
        error = done.exception()
        if error is None:
            self._hooks.progress(Progress(job, "finished", 1, 1))
            return
        if isinstance(error, OSError):
            error = MobileoError(f"{error.filename or job}: {error.strerror or error}")
        if not isinstance(error, MobileoError):
            raise error
        self._fail(job, error)

    def _lost(self, worker: Worker) -> None:
        """A worker has ended by itself, or was killed: its jobs go to a new one, once."""
        state = self._of(worker)
        if state is None:
            return
        code = worker.exit_code()
        state.stop()
        left = state.withdraw()
        if state.starts < _STARTS:
            state.waiting.extend(left)
            return
        for job in left:
            self._fail(str(job["id"]), self._deaths.of(str(job["id"]), code, at=state.importing))

    def _unusable(self, state: _LaneState | None, message: str) -> None:
        """What a worker needs cannot be imported: another one would fare no better."""
        error = MissingDependencyError(f"{message}; the traceback is in {_place(self._log)}")
        if state is not None:
            state.stop()
            for job in state.withdraw():
                self._fail(str(job["id"]), error)

    def _fail(self, job: str, error: MobileoError) -> None:
        self._outcome.results.pop(job, None)
        self._outcome.failures[job] = error
        self._hooks.progress(Progress(job, "failed", 0, 1))


def _failure(event: Mapping[str, Any], log: IO[str] | None) -> MobileoError:
    if event["event"] == "failed":
        kind: type[MobileoError] = getattr(errors, event["kind"], MobileoError)
        return kind(event["message"])
    return ConversionError(
        f"{event['id']}: conversion crashed ({event['message']}), which is not your fault; "
        f"the traceback is in {_place(log)}"
    )


def _place(log: IO[str] | None) -> str:
    return "what was printed above" if log is None else log.name
