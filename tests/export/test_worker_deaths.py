"""Workers and their children that end otherwise than they should: told apart, replaced once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobileo_export import memory
from mobileo_export.export import workers
from tests.export.jobs import Job, failure, run
from tests.process_tree import children, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("no_orphans")


def kill_descendant(depth: int, number: int) -> None:
    """Kill the worker (1) or the child that it forked (2), once it is there."""
    generation = [os.getpid()]

    def found() -> bool:
        nonlocal generation
        generation = [os.getpid()]
        for _ in range(depth):
            generation = [child for pid in generation for child in children(pid)]
        return bool(generation)

    wait_until(found)
    os.kill(generation[0], number)


_WAITING = (
    "import time; from mobileo_export.export import worker_process as worker\n"
    "def convert(job, report):\n"
    "    if job['id'] != 'quick': time.sleep(600)\n"
    "    return {}\n"
    "worker.convert_component = convert; worker.main()\n"
)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (signal.SIGKILL, "was killed (signal 9) (it had taken 0."),
        (signal.SIGABRT, "ended by SIGABRT"),
        (signal.SIGBUS, "was cut short"),
    ],
)
def test_a_killed_child_is_told_from_a_failure_and_the_rest_goes_on(
    job: Job, replace_worker: Callable[[str], None], number: int, message: str
) -> None:
    replace_worker(_WAITING)

    def kill() -> None:
        kill_descendant(2, number)

    killer = threading.Timer(0.5, kill)  # after its memory was looked at
    killer.start()
    outcome, _ = run(job, {**job, "id": "quick"})
    killer.join()
    assert set(outcome.failures) == {"llm"}
    assert message in str(outcome.failures["llm"])
    assert str(outcome.failures["llm"]).startswith("llm: ")
    assert set(outcome.results) == {"quick"}


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((4, 5), "llm: its process was killed because memory ran out; close other programs or"),
        ((4, 4), "llm: its process was killed (signal 9), not by the kernel for want of memory"),
        ((None, None), "llm: its process was killed (signal 9), and this system does not say why"),
    ],
)
def test_a_kill_is_want_of_memory_only_where_the_kernel_counts_it(
    job: Job,
    replace_worker: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    counts: tuple[int | None, int | None],
    message: str,
) -> None:
    replace_worker("import os; os.kill(os.getpid(), 9)")
    before, *later = counts
    answers = iter([before])
    monkeypatch.setattr(memory, "kills", lambda: next(answers, later[0]))
    assert str(failure(job)).startswith(message)


@pytest.mark.parametrize("attempt", range(3))
def test_a_worker_that_is_slow_to_end_is_not_killed_meanwhile(
    job: Job, replace_worker: Callable[[str], None], attempt: int
) -> None:
    """Its parent, to the kernel, is the thread that started it."""
    replace_worker(
        "import os, sys, time; from mobileo_export.processes import worker\n"
        "worker.die_with(int(sys.argv[2])); os.close(1); time.sleep(0.3); os._exit(7)"
    )
    assert "its process was ended with exit code 7;" in str(failure(job))


@pytest.mark.parametrize("ends", ["os.abort()", "sys.exit(3)"])
def test_a_library_that_takes_the_worker_with_it_is_named(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: str
) -> None:
    (tmp_path / "coremltools.py").write_text(f"import os, sys; {ends}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    outcome = workers.run([workers.Lane([job], ["coremltools"])])
    assert "coremltools" in str(outcome.failures["llm"])


def test_a_killed_worker_is_replaced_once(job: Job, replace_worker: Callable[[str], None]) -> None:
    replace_worker(_WAITING)
    begun: list[str] = []
    killer = threading.Thread(target=kill_descendant, args=(1, signal.SIGKILL))

    def begin(name: str) -> None:
        begun.append(name)
        if len(begun) == 1:
            killer.start()
        elif name == "llm":  # in the second worker
            threading.Timer(0.3, kill_descendant, args=(2, signal.SIGKILL)).start()

    lane = workers.Lane([job, {**job, "id": "quick"}])
    outcome = workers.run([lane], hooks=workers.Hooks(begin))
    assert begun == ["llm", "llm", "quick"]
    assert set(outcome.results) == {"quick"}
    assert "was killed (signal 9)" in str(outcome.failures["llm"])


def test_a_worker_that_is_killed_twice_fails_what_is_left(
    job: Job, replace_worker: Callable[[str], None]
) -> None:
    replace_worker("import os; os.kill(os.getpid(), 9)")
    outcome, _ = run(job, {**job, "id": "quick"})
    assert set(outcome.failures) == {"llm", "quick"}
    for error in outcome.failures.values():
        assert "was killed (signal 9)" in str(error)


def test_a_line_cut_short_does_not_hang(job: Job, replace_worker: Callable[[str], None]) -> None:
    replace_worker('import sys; sys.stdin.readline(); sys.stdout.write(\'{"event": "do\')')
    assert "exit code 0" in str(failure(job))


def test_a_worker_that_cannot_start_is_reported(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert "llm: its process was ended with exit code 1" in str(failure(job))


def test_a_program_that_cannot_be_executed_is_said_in_the_systems_words(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError, match="/nowhere/python"):
        run(job)
