"""Worker processes: results, failures of every kind, and that none of them outlives its caller."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import workers
from mobileo_export.errors import CheckpointError, ConversionError, MobileoError, UsageError

from .processes import alive, children, descendants, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Job = dict[str, Any]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


@pytest.fixture
def job(tiny_checkpoint: Path, output: Path) -> Job:
    """The language model: the one component that converts without torch, in a second."""
    return {
        "id": "llm",
        "checkpoint": str(tiny_checkpoint),
        "component": "llm",
        "output": str(output),
        "weights": "released",
        "precision": "float32",
        "llm_bits": 8,
        "llm_group_size": 64,
        "llm_exceptions": {},
    }


@pytest.fixture(autouse=True)
def no_orphans() -> Iterator[None]:
    before = set(descendants(os.getpid()))
    yield
    assert not {pid for pid in descendants(os.getpid()) if alive(pid)} - before


def run(*jobs: Job, log: Any = None) -> tuple[dict[str, Job], list[workers.Progress]]:
    seen: list[workers.Progress] = []
    return workers.run([(False, list(jobs))], log, seen.append), seen


def test_results_come_by_job_and_progress_as_it_happens(job: Job, output: Path) -> None:
    results, seen = run(job)
    assert results["llm"]["bits_per_weight"] > 8
    assert len(results["llm"]["tensors_sha256"]) == 64
    assert {event.job for event in seen} == {"llm"}
    assert seen[-1].done == seen[-1].total > 0
    assert (output / "llm" / "model.safetensors").is_file()


def test_no_jobs_need_no_worker() -> None:
    assert workers.run([(True, []), (False, [])], None, print) == {}


def test_a_failure_keeps_its_class_and_its_line(job: Job, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        run({**job, "checkpoint": str(tmp_path / "nowhere")})
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        run({**job, "checkpoint": str(tmp_path / "empty")})


def test_what_the_system_refuses_is_said_in_its_words(job: Job, output: Path) -> None:
    output.rmdir()
    output.write_bytes(b"a file in the way")
    with pytest.raises(MobileoError) as caught:
        run(job)
    assert str(output) in str(caught.value)


def test_a_failure_ends_the_other_queues(job: Job, tmp_path: Path) -> None:
    broken = {**job, "id": "broken", "checkpoint": str(tmp_path / "nowhere")}
    with pytest.raises(UsageError):
        workers.run([(True, [{**job, "id": "slow"}]), (False, [broken])], None, lambda _: None)


def test_a_crash_names_the_log_which_has_the_traceback(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "out.log"
    with path.open("w") as log, pytest.raises(ConversionError) as caught:
        run({**job, "component": "no such component"}, log=log)
    assert str(path) in str(caught.value)
    assert "KeyError" in str(caught.value)
    assert "Traceback" in path.read_text()


def test_a_crash_without_a_log_points_at_the_terminal(
    job: Job, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConversionError, match="printed above"):
        run({**job, "component": "no such component"})
    assert "Traceback" in capfd.readouterr().err


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


@pytest.fixture
def replace_worker(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have every worker run the given code instead."""
    real = subprocess.Popen

    def replace(code: str) -> None:
        monkeypatch.setattr(
            subprocess,
            "Popen",
            lambda arguments, **options: real([arguments[0], "-c", code], **options),
        )

    return replace


@pytest.mark.parametrize("depth", [1, 2], ids=["worker", "its child"])
@pytest.mark.parametrize(
    ("number", "message"),
    [(signal.SIGKILL, "memory ran out"), (signal.SIGABRT, "ended by SIGABRT")],
)
def test_a_killed_process_is_told_from_a_failure(
    job: Job, replace_worker: Callable[[str], None], depth: int, number: int, message: str
) -> None:
    replace_worker(
        "import time; from mobileo_export import worker\n"
        "worker.convert_component = lambda job, report: time.sleep(600)\n"
        "worker.main()\n"
    )
    killer = threading.Thread(target=kill_descendant, args=(depth, number))
    killer.start()
    with pytest.raises(ConversionError, match=message) as caught:
        run(job)
    killer.join()
    assert str(caught.value).startswith("llm: ")


def test_a_line_cut_short_does_not_hang(
    job: Job, replace_worker: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_worker('import sys; sys.stdin.read(); sys.stdout.write(\'{"event": "do\')')
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    with pytest.raises(ConversionError, match="exit code 0"):
        run(job)


def test_a_worker_that_cannot_start_is_reported(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ConversionError, match="llm: its process was ended with exit code 1"):
        run(job)


def test_a_program_that_cannot_be_executed_is_said_in_the_systems_words(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError, match="/nowhere/python"):
        run(job)


def test_interrupting_kills_workers_and_their_children(
    job: Job, replace_worker: Callable[[str], None]
) -> None:
    replace_worker(
        "import time; from mobileo_export import worker\n"
        "def convert(job, report): report('waiting', 0, 1); time.sleep(600)\n"
        "worker.convert_component = convert; worker.main()\n"
    )
    seen: list[int] = []

    def interrupt(event: workers.Progress) -> None:
        seen.extend(descendants(os.getpid()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workers.run([(False, [job])], None, interrupt)
    assert len(seen) >= 2  # the worker and the child that it forked
    assert not any(alive(pid) for pid in seen)


def test_a_worker_whose_caller_vanished_ends_by_itself(job: Job) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mobileo_export.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"event": "ready"}
    process.stdout.close()  # nobody listens any more
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.close()
    process.wait(timeout=60)


def test_libraries_that_print_do_not_disturb_the_protocol(job: Job) -> None:
    """What a job prints goes to standard error; standard output carries events only."""
    code = (
        "import sys; from mobileo_export import worker\n"
        "real = worker.convert_component\n"
        "def noisy(job, report): print('noise'); return real(job, report)\n"
        "worker.convert_component = noisy; sys.argv = ['worker']; worker.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(job) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    events = [json.loads(line)["event"] for line in io.StringIO(done.stdout)]
    assert events[0] == "ready"
    assert events[-1] == "done"
    assert "noise" in done.stderr
