"""What every worker does: how its jobs end, what it prints, and with whom it ends."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.processes import child_process
from mobileo_export.processes.worker import Worker, take
from tests.process_tree import alive, assert_ended, children, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    Event = dict[str, Any]

# Does what a job says, in this process, until no more come.
WORKER = """
import json, sys
from mobileo_export.processes import worker
def work(job, report):
    report("working", 1, 2)
    print("a library's words")
    exec(job["code"])
    return {"answer": 42}
def serve(events):
    for line in sys.stdin:
        worker.perform(json.loads(line), work, events, "the place")
worker.run(serve, worker.arguments("").parse_args().parent)
"""
# Starts a worker, says its process, and waits.
PARENT = """
import sys
from mobileo_export.processes.worker import Worker
with Worker(sys.argv[1:], lambda worker, event: print(event, flush=True)) as worker:
    worker.send({"id": "a", "code": "import time; time.sleep(600)"})
    sys.stdin.read()
"""


def run(code: str, log: Path) -> tuple[list[Event], int]:
    """The events of a job, and how the worker ended."""
    events: queue.Queue[Event | None] = queue.Queue()
    command = child_process.code(WORKER)
    with log.open("w") as file, Worker(command, lambda _, e: events.put(e), file) as worker:
        worker.send({"id": "a", "code": code})
        found = [take(events)]
        while found[-1] is not None and found[-1]["event"] == "progress":
            found.append(take(events))
        ended = found[-1] is None
        if not ended:  # no more jobs come
            worker._process.stdin.close()  # type: ignore[union-attr]
            assert take(events) is None
        code_of_exit = worker.exit_code()
    return [event for event in found if event is not None], code_of_exit


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("", {"event": "done", "id": "a", "result": {"answer": 42}}),
        (
            "from mobileo_export.errors import BundleError; raise BundleError('x: is not whole')",
            {"event": "failed", "id": "a", "kind": "BundleError", "message": "x: is not whole"},
        ),
        (
            "raise OSError(28, 'No space left on device')",
            {
                "event": "failed",
                "id": "a",
                "kind": "OSError",
                "message": "the place: No space left on device",
            },
        ),
        (
            "raise OSError(13, 'Permission denied', 'a file')",
            {
                "event": "failed",
                "id": "a",
                "kind": "OSError",
                "message": "a file: Permission denied",
            },
        ),
        ("raise MemoryError", {"event": "crashed", "id": "a", "message": "MemoryError"}),
        ("raise KeyError('b')", {"event": "crashed", "id": "a", "message": "KeyError: 'b'"}),
    ],
)
def test_how_a_job_ends_is_its_last_event(tmp_path: Path, code: str, event: Event) -> None:
    events, exit_code = run(code, tmp_path / "log")
    stage = {"event": "progress", "id": "a", "stage": "working", "done": 1, "total": 2}
    assert events == [stage, event]
    assert exit_code == 0
    said = (tmp_path / "log").read_text()
    assert "a library's words\n" in said
    assert ("Traceback" in said) == (event["event"] == "crashed")


def test_a_library_that_is_broken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "timm.py").write_text("raise RuntimeError('of another version')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    events, _ = run("import timm", tmp_path / "log")
    assert (events[-1]["event"], events[-1]["kind"]) == ("failed", "MissingDependencyError")
    assert "timm cannot be imported (RuntimeError: of another version)" in events[-1]["message"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_death_is_told_by_the_exit_code(tmp_path: Path, number: int) -> None:
    events, exit_code = run(f"import os; os.kill(os.getpid(), {number})", tmp_path / "log")
    assert [event["event"] for event in events] == ["progress"]
    assert exit_code == -number


def test_leaving_the_block_ends_it_and_its_children() -> None:
    before = set(children(os.getpid()))
    events: queue.Queue[Event | None] = queue.Queue()
    with Worker(child_process.code(WORKER), lambda _, event: events.put(event)) as worker:
        fork = "import subprocess; subprocess.run(['sleep', '600'])"
        worker.send({"id": "a", "code": fork})
        assert take(events) is not None
        (process,) = set(children(os.getpid())) - before
        wait_until(lambda: children(process))
        family = [process, *children(process)]
    assert_ended(family)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's help")
def test_it_ends_with_who_started_it() -> None:
    """However that one ended."""
    parent = subprocess.Popen(
        child_process.code(PARENT, *child_process.code(WORKER)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_process.environment(),
        text=True,
    )
    try:
        assert parent.stdout is not None
        assert "progress" in parent.stdout.readline()
        (process,) = children(parent.pid)
        assert alive(process)
    finally:
        parent.kill()
        parent.communicate()
    assert_ended([process])
