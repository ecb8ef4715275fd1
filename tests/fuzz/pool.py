"""Worker processes that may die or hang: the case that they were at is then the bug."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .cases import Case

Record = dict[str, Any]
_START, _CASE = 600.0, 400.0  # seconds on a busy machine; the worker has its own, stricter clock
_LIFE = 3000  # cases until a worker is replaced, so that what one leaves behind stays bounded


class Worker:
    """One process and the case that it is at."""

    def __init__(self, number: int, corpus: Path, work: Path) -> None:
        self._command = [
            sys.executable, "-m", "tests.fuzz.worker", str(corpus), str(work / f"worker-{number}"),
            str(work / "bugs"),
        ]  # fmt: skip
        (work / f"worker-{number}").mkdir(parents=True, exist_ok=True)
        self._log = work / f"worker-{number}.log"
        self._process: subprocess.Popen[str] | None = None
        self._performed = 0
        self.case: Case | None = None

    def give(self, case: Case) -> None:
        """Start on a case."""
        if self._process is None or self._performed >= _LIFE:
            self.close()
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        self.case = case
        self._performed += 1
        self._process.stdin.write(json.dumps(asdict(case)) + "\n")
        self._process.stdin.flush()

    def take(self) -> Record:
        """The result of the case; of a worker that died or hung, the bug that it is."""
        case, self.case = self.case, None
        assert case is not None
        line = self._line(_CASE)
        if line:
            record: Record = json.loads(line)
            return record
        assert self._process is not None
        hung = line is None
        if not hung:
            self._process.wait()
        code = self.close()
        detail = "hung" if hung else f"the process died ({_cause(code)})"
        empty = {"damage": "", "trace": self._tail(), "seconds": 0.0, "memory": 0}
        return {**asdict(case), "outcome": "bug", "detail": detail, **empty}

    @property
    def output(self) -> IO[str]:
        """What becomes readable when the result is there."""
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    def close(self) -> int:
        """End the process; its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.kill()
        code = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self._process = None
        return code

    def _start(self) -> None:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                bufsize=1, env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            )  # fmt: skip
        self._performed = 0
        if self._line(_START) != "ready\n":
            raise SystemExit(f"a worker did not start; see {self._log}:\n{self._tail()}")

    def _line(self, seconds: float) -> str | None:
        """A line, an empty one if the process ended, None if nothing came in time."""
        readable, _, _ = select.select([self.output], [], [], seconds)
        return self.output.readline() if readable else None

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


class Pool:
    """Several workers over one list of cases."""

    def __init__(self, jobs: int, corpus: Path, work: Path) -> None:
        work.mkdir(parents=True, exist_ok=True)
        (work / "bugs").mkdir(exist_ok=True)
        self._workers = [Worker(number, corpus, work) for number in range(jobs)]

    def perform(self, cases: Iterable[Case]) -> Iterator[Record]:
        """Results as they come."""
        left = deque(cases)
        while left or any(worker.case for worker in self._workers):
            for worker in self._workers:
                if worker.case is None and left:
                    worker.give(left.popleft())
            busy = {worker.output: worker for worker in self._workers if worker.case}
            readable, _, _ = select.select(list(busy), [], [], _CASE)
            for output in readable or list(busy):
                yield busy[output].take()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.close()


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
