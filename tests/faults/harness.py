"""Runs the real program on a small checkpoint, strikes it, and looks at what is left."""

from __future__ import annotations

import fcntl
import json
import os
import random
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from mobileo_export.bundle import manifest, seal
from mobileo_export.bundle.workspace import MARKER, partial_of
from mobileo_export.cli import program
from mobileo_export.export import resume
from tests.forked import Forked
from tests.process_tree import alive, descendants

PROGRAM = [sys.executable, "-m", "mobileo_export", "export"]
_INJECT = Path(__file__).parent / "inject"
_GONE_WITHIN = 20.0  # seconds that processes have to vanish after a strike

Process: TypeAlias = "subprocess.Popen[str] | Forked"


class BrokenError(AssertionError):
    """A promise was not kept."""


@dataclass(frozen=True)
class Finished:
    """How a run of the program ended; ``report`` is what it printed as JSON."""

    code: int
    err: str
    report: dict[str, object] = field(default_factory=dict)


def contents(folder: Path) -> dict[str, str]:
    """The sha256 of every file below ``folder`` by its relative path."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    with ThreadPoolExecutor(2) as pool:
        digests = pool.map(seal.digest, paths)
        return {
            path.relative_to(folder).as_posix(): digest
            for path, digest in zip(paths, digests, strict=True)
        }


class Export:
    """One export into ``folder / "out"``, which can be begun and struck over and over.

    With ``forked`` the program is at work in children of this process, which spares its imports;
    its workers are started as ever.
    """

    def __init__(self, checkpoint: Path, folder: Path, only: str, *, forked: bool = False) -> None:
        self.checkpoint = checkpoint
        self.folder = folder
        self.output = folder / "out"
        self.only = only
        self.forked = forked

    def start(
        self, *options: str, before: Callable[[], None] | None = None, **faults: str
    ) -> Process:
        """Begin; ``faults`` are variables for ``inject/sitecustomize.py``, without ``FAULT_``.

        ``before`` is called in the new process, before it becomes the program: a real one always.
        """

        def prepare() -> None:
            # A test run in the background of a shell would hand its ignored interrupt on.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if before:
                before()

        environment = {**os.environ, **{f"FAULT_{name}": faults[name] for name in faults}}
        if faults:
            paths = [str(_INJECT), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        arguments = [str(self.checkpoint), "-o", str(self.output), "--only", self.only, "--json"]
        if self.output.exists():
            arguments.append("--overwrite")

        def run() -> None:
            os.environ.update(environment)
            if faults:
                runpy.run_path(str(_INJECT / "sitecustomize.py"))  # as Python does at its start
            sys.argv = ["mobileo-export", "export", *arguments, *options]
            program.main("mobileo_export.cli.main")

        if self.forked and not before:
            return Forked(run)
        return subprocess.Popen(
            [*PROGRAM, *arguments, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            preexec_fn=prepare,  # noqa: PLW1509
        )

    def run(self, *options: str, **faults: str) -> Finished:
        """Begin, and wait for the end."""
        return finish(self.start(*options, before=None, **faults))

    def count(self, *options: str) -> int:
        """How many operations on files a whole run of the main process takes."""
        path = self.folder / "count"
        done = self.run(*options, FOLDER=str(self.folder), COUNT=str(path))
        if done.code != 0:
            raise BrokenError(f"an undisturbed run failed: {done.err}")
        return path.stat().st_size

    def check(self) -> list[str]:
        """What must hold after any strike; returns the components that count as finished.

        Raises:
            BrokenError: the output is there but not whole, or a record is of something that is not.
        """
        self.settle()
        if self.output.exists():
            problems = seal.verify(self.output, manifest.read(self.output))
            if problems:
                raise BrokenError(f"the output is not as sealed: {problems[:3]}")
        partial = partial_of(self.output)
        records = resume.of_partial(partial)
        for record in records:
            # Between the swap and the end of the partial folder it is in the output.
            if not any(resume.whole(place, record) for place in (partial / "new", self.output)):
                raise BrokenError(f"{record.component} is recorded as finished and is not")
        return [record.component for record in records]

    def settle(self) -> None:
        """Wait until no process of a run that was killed is left to hold the lock.

        Raises:
            BrokenError: one stays.
        """
        marker = partial_of(self.output) / MARKER
        deadline = time.monotonic() + _GONE_WITHIN
        while marker.exists() and time.monotonic() < deadline:
            with marker.open("a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(0.02)
                else:
                    return
        if marker.exists():
            raise BrokenError("somebody holds the lock")

    def complete(self, reference: dict[str, str], kept: list[str]) -> None:
        """Run to the end; nothing ``kept`` is made again, and the bundle is the reference's.

        Raises:
            BrokenError: it is not so.
        """
        was_there = self.output.exists()
        done = self.run()
        if done.code != 0:
            raise BrokenError(f"the next run failed: {done.err}")
        reused = done.report["reused"]
        assert isinstance(reused, list)
        if not was_there and not set(kept) <= set(reused):
            raise BrokenError(f"{kept} were finished, only {reused} were kept")
        self.compare(reference)

    def compare(self, reference: dict[str, str]) -> None:
        """Raise BrokenError unless the output is the reference's and nothing else is left."""
        found = contents(self.output)
        if found != reference:
            different = [n for n in {*found, *reference} if found.get(n) != reference.get(n)]
            raise BrokenError(f"the bundle is another: {sorted(different)[:5]}")
        if partial_of(self.output).exists():
            raise BrokenError("the partial folder is left")

    def clear(self) -> None:
        """Remove the output and what is left of earlier runs."""
        for path in (self.output, partial_of(self.output)):
            if path.exists():
                shutil.rmtree(path)


def finish(process: Process) -> Finished:
    """Wait for a run; its report is empty unless it went well."""
    if isinstance(process, Forked):
        with process:
            done = process.finish(600)
        code, out, err = done.code, done.out, done.err
    else:
        out, err = process.communicate(timeout=600)
        code = process.returncode
    return Finished(code, err, json.loads(out) if code == 0 else {})


def strike(process: Process, whom: str, number: int, chance: random.Random) -> None:
    """Send a signal to ``main``, to ``all`` processes of the run, or to ``one`` of the others."""
    others = descendants(process.pid)
    targets = {
        "main": [process.pid],
        "all": [process.pid, *others],
        "one": [chance.choice(others)] if others else [process.pid],
    }[whom]
    for pid in targets:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def end(process: Process, family: list[int]) -> Finished:
    """Wait until the run and all that it started are gone.

    Raises:
        BrokenError: a process stays behind.
    """
    done = finish(process)
    deadline = time.monotonic() + _GONE_WITHIN
    while left := [pid for pid in family if alive(pid)]:
        if time.monotonic() > deadline:
            raise BrokenError(f"processes {left} outlive the export")
        time.sleep(0.02)
    return done
