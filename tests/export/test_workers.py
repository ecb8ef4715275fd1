"""Worker processes: results, progress, failures, lanes, interrupts."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobileo_export.errors import CheckpointError, ConversionError, UsageError
from mobileo_export.export import workers
from mobileo_export.progress import Progress
from tests.export.jobs import Job, failure, run
from tests.process_tree import assert_ended, children, descendants

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("no_orphans")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_conversion_sees_no_gpu(job: Job) -> None:
    seen: set[bytes] = set()

    def look(event: Progress) -> None:
        for child in children(os.getpid()):
            seen.update(Path(f"/proc/{child}/environ").read_bytes().split(b"\0"))

    # Where one was found before a job is forked, torch refuses to work in the job.
    workers.run([workers.Lane([job])], None, workers.Hooks(progress=look))
    assert b"CUDA_VISIBLE_DEVICES=" in seen


def test_results_come_by_job_and_progress_as_it_happens(job: Job, output: Path) -> None:
    outcome, seen = run(job)
    assert outcome.results["llm"]["bits_per_weight"] > 8
    assert outcome.failures == {}
    assert outcome.peaks["llm"] > 10e6
    assert {event.job for event in seen} == {"llm"}
    assert seen[-2].done == seen[-2].total > 0
    assert seen[-1] == Progress("llm", "finished", 1, 1)
    assert (output / "llm" / "model.safetensors").is_file()


def test_no_jobs_need_no_worker() -> None:
    assert workers.run([workers.Lane([], ["torch"]), workers.Lane([])]) == workers.Outcome()


def test_a_failure_keeps_its_class_and_its_line(job: Job, tmp_path: Path) -> None:
    error = failure({**job, "checkpoint": str(tmp_path / "nowhere")})
    assert isinstance(error, UsageError)
    assert "no such folder" in str(error)
    (tmp_path / "empty").mkdir()
    error = failure({**job, "checkpoint": str(tmp_path / "empty")})
    assert isinstance(error, CheckpointError)
    assert "no checkpoint here" in str(error)


def test_what_the_system_refuses_is_said_in_its_words(job: Job, output: Path) -> None:
    output.rmdir()
    output.write_bytes(b"a file in the way")
    assert str(output) in str(failure(job))


def test_a_failure_does_not_end_the_others(job: Job, tmp_path: Path) -> None:
    broken = {**job, "id": "broken", "checkpoint": str(tmp_path / "nowhere")}
    outcome = workers.run([workers.Lane([broken, job]), workers.Lane([{**broken, "id": "too"}])])
    assert set(outcome.results) == {"llm"}
    assert set(outcome.failures) == {"broken", "too"}


def test_jobs_come_and_go_by_the_callers_hooks(job: Job, output: Path) -> None:
    begun: list[str] = []
    ended: list[tuple[str, float]] = []
    hooks = workers.Hooks(begun.append, lambda job, r: ended.append((job, r["bits_per_weight"])))
    outcome = workers.run([workers.Lane([job])], hooks=hooks)
    assert begun == ["llm"]
    assert ended == [("llm", outcome.results["llm"]["bits_per_weight"])]


@pytest.mark.parametrize(
    ("raised", "told"),
    [(CheckpointError("changed"), "changed"), (OSError(28, "No space left", "x"), "No space left")],
)
def test_what_the_hook_raises_fails_the_job(job: Job, raised: Exception, told: str) -> None:
    def finish(job: str, result: Job) -> None:
        raise raised

    outcome = workers.run([workers.Lane([job])], hooks=workers.Hooks(finish=finish))
    assert told in str(outcome.failures["llm"])
    assert outcome.results == {}


@pytest.mark.usefixtures("heeded")
def test_what_is_being_finished_is_finished_however_often_it_is_interrupted(job: Job) -> None:
    finished: list[str] = []

    def finish(job: str, result: Job) -> None:
        for _ in range(3):  # the first ends the wait for jobs, the others come while it ends
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        finished.append(job)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        workers.run([workers.Lane([job])], hooks=workers.Hooks(finish=finish))
    assert finished == ["llm"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_bug_in_a_hook_is_not_swallowed(job: Job) -> None:
    def finish(job: str, result: Job) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        workers.run([workers.Lane([job])], hooks=workers.Hooks(finish=finish))


def test_a_crash_names_the_log_which_has_the_traceback(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "out.log"
    with path.open("w") as log:
        error = failure({**job, "component": "no such component"}, log=log)
    assert isinstance(error, ConversionError)
    assert str(path) in str(error)
    assert "KeyError" in str(error)
    assert "Traceback" in path.read_text()


def test_a_crash_without_a_log_points_at_the_terminal(
    job: Job, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "printed above" in str(failure({**job, "component": "no such component"}))
    assert "Traceback" in capfd.readouterr().err


def _overlapping(times: dict[str, tuple[float, float]]) -> bool:
    (one, two) = sorted(times.values())
    return two[0] < one[1]


@pytest.mark.parametrize("slots", [1, 2])
def test_a_lane_runs_as_many_as_it_has_slots(
    job: Job, replace_worker: Callable[[str], None], slots: int
) -> None:
    replace_worker(
        "import time; from mobileo_export.export import worker_process as worker\n"
        "def convert(job, report):\n"
        "    begun = time.monotonic(); time.sleep(0.7); return {'at': [begun, time.monotonic()]}\n"
        "worker.convert_component = convert; worker.main()\n"
    )
    lane = workers.Lane([job, {**job, "id": "other"}], slots=slots)
    outcome = workers.run([lane])
    times = {name: tuple(result["at"]) for name, result in outcome.results.items()}
    assert _overlapping(times) == (slots == 2)


def test_a_lane_that_is_after_waits_for_the_others(
    job: Job, replace_worker: Callable[[str], None]
) -> None:
    replace_worker(
        "import time; from mobileo_export.export import worker_process as worker\n"
        "def convert(job, report):\n"
        "    begun = time.monotonic(); time.sleep(0.4); return {'at': [begun, time.monotonic()]}\n"
        "worker.convert_component = convert; worker.main()\n"
    )
    lanes = [workers.Lane([job]), workers.Lane([{**job, "id": "other"}], after=True)]
    outcome = workers.run(lanes)
    assert outcome.results["other"]["at"][0] > outcome.results["llm"]["at"][1]


def test_interrupting_kills_workers_and_their_children(
    job: Job, replace_worker: Callable[[str], None]
) -> None:
    replace_worker(
        "import time; from mobileo_export.export import worker_process as worker\n"
        "def convert(job, report): report('waiting', 0, 1); time.sleep(600)\n"
        "worker.convert_component = convert; worker.main()\n"
    )
    before = set(descendants(os.getpid()))  # an earlier test's, as of multiprocessing
    seen: set[int] = set()

    def interrupt(event: Progress) -> None:
        seen.update(set(descendants(os.getpid())) - before)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workers.run([workers.Lane([job])], hooks=workers.Hooks(progress=interrupt))
    assert len(seen) >= 2  # the worker and the child that it forked
    assert_ended(seen)


def test_a_worker_whose_caller_vanished_ends_by_itself(job: Job) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mobileo_export.export.worker_process",
            "--parent",
            str(os.getpid()),
        ],
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
        "import sys; from mobileo_export.export import worker_process as worker\n"
        "real = worker.convert_component\n"
        "def noisy(job, report): print('noise'); return real(job, report)\n"
        "worker.convert_component = noisy; worker.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--parent", str(os.getpid())],
        input=json.dumps(job) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    events = [json.loads(line)["event"] for line in io.StringIO(done.stdout)]
    assert events[0] == "ready"
    assert events[-2:] == ["done", "ended"]
    assert "noise" in done.stderr
