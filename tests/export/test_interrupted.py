"""Exports that are interrupted, killed or disturbed, by real signals to the real program.

It is at work in forks of this process, once as users start it; its workers are started as ever.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from mobileo_export import components, targets
from mobileo_export.bundle import durable
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.cli.progress_lines import ProgressLines
from mobileo_export.compression.plan import load
from mobileo_export.converters import registry
from mobileo_export.export import resume, workers
from mobileo_export.export import run as export
from mobileo_export.processes import extras
from mobileo_export.progress import Progress
from tests.command import finish, start
from tests.exports import convert_here
from tests.forked import Forked, fork
from tests.process_tree import alive, assert_ended, descendants, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Command


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def started(tiny_checkpoint: Path, tmp_path: Path) -> Iterator[Forked]:
    """An export, its worker still importing."""
    workers: list[int] = []
    with fork("export", tiny_checkpoint, "--output", tmp_path / "out", "--only", "mcp") as process:
        wait_until(lambda: descendants(process.pid))  # perhaps not even executing yet
        workers += descendants(process.pid)
        yield process
    for pid in workers:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


@pytest.fixture
def converting(started: Forked) -> Forked:
    """The same, when the child that converts has begun."""
    wait_until(lambda: started.printed()[1].count("\n") >= 2)
    assert started.printed()[1].startswith("mcp: importing\nmcp: reading weights\n")
    assert len(descendants(started.pid)) >= 2
    return started


def check_interrupted(process: Forked, number: int, folder: Path) -> None:
    workers = descendants(process.pid)
    os.kill(process.pid, number)
    finished = process.finish()
    assert finished.code == 128 + number
    assert finished.err.endswith("error: interrupted\n")
    assert "Traceback" not in finished.err
    assert_ended(workers)
    assert names(folder) == ["out.log"]


def test_a_second_export_to_the_same_place_is_refused(
    command: Command, tiny_checkpoint: Path, tmp_path: Path, converting: Forked
) -> None:
    os.kill(converting.pid, signal.SIGSTOP)  # or it may be finished first; its end kills it
    second = command("export", tiny_checkpoint, "--output", tmp_path / "out", "--only", "llm")
    assert second.code == 2
    assert "another export is writing it" in second.error()


def test_an_interrupted_export_leaves_no_file_and_no_process(
    converting: Forked, tmp_path: Path
) -> None:
    check_interrupted(converting, signal.SIGINT, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_export_interrupted_early(started: Forked, tmp_path: Path, number: int) -> None:
    check_interrupted(started, number, tmp_path)


def test_a_converter_that_is_killed_is_reported(converting: Forked, tmp_path: Path) -> None:
    workers = descendants(converting.pid)
    os.kill(workers[-1], signal.SIGKILL)  # what the system does when memory runs out
    finished = converting.finish()
    assert finished.code == 2
    assert finished.err.splitlines()[-1].startswith("error: mcp: its process was killed")
    assert "Traceback" not in finished.err
    assert_ended(workers)
    assert names(tmp_path) == ["out.log"]


def test_what_a_killed_export_leaves_does_not_block_the_next(
    started: Forked, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    workers = descendants(started.pid)
    os.kill(started.pid, signal.SIGKILL)
    started.finish()
    wait_until(lambda: not any(alive(pid) for pid in workers))  # they notice by themselves
    assert names(tmp_path) == ["out.log", "out.partial"]
    export.export(
        Checkpoint.open(tiny_checkpoint), tmp_path / "out", export.Options(components.select("llm"))
    )
    assert names(tmp_path) == ["out", "out.log"]


def test_what_was_finished_is_kept_and_the_same_command_continues(
    command: Command, tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    arguments = ("export", tiny_checkpoint, "--output", tmp_path / "out", "--only", "mcp,llm")
    process = start(*arguments)
    assert process.stderr is not None
    assert any(line.startswith("llm: done in ") for line in iter(process.stderr.readline, ""))
    os.kill(process.pid, signal.SIGINT)
    interrupted = finish(process)
    note, error = interrupted.err.splitlines()[-2:]
    assert note.startswith(f"note: llm: finished, and kept in {tmp_path / 'out.partial'}; the same")
    assert error == "error: interrupted"
    assert names(tmp_path) == ["out.log", "out.partial"]
    again = command(*arguments, "--json")
    assert again.code == 0
    assert json.loads(again.out)["reused"] == ["llm"]
    assert names(tmp_path) == ["out", "out.log"]
    for path in (
        "llm/model.safetensors",
        "connector.mlpackage/Data/com.apple.CoreML/model.mlmodel",
    ):
        assert (tmp_path / "out" / path).read_bytes() == (tiny_bundle / path).read_bytes()


@pytest.mark.usefixtures("heeded")
def test_a_second_interrupt_loses_nothing_that_is_being_kept(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, output = durable.sync_path, tmp_path / "out"
    interrupts = iter([0.2, 0.2])

    def slowly(path: Path) -> None:
        real(path)
        if path == output.with_name("out.partial") / "new":  # its files are there, its record not
            for seconds in interrupts:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(seconds)

    monkeypatch.setattr(durable, "sync_path", slowly)
    checkpoint = Checkpoint.open(tiny_checkpoint)
    options = export.Options(components.select("llm"))
    with pytest.raises(KeyboardInterrupt):
        export.export(checkpoint, output, options, log=tmp_path / "log")
    assert resume.names(output) == ["llm"]
    assert export.export(checkpoint, output, options, log=tmp_path / "log").reused == ("llm",)


def test_a_component_that_is_killed_does_not_end_the_others(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    both = ("--only", "mcp,llm")
    with fork("export", tiny_checkpoint, "--output", tmp_path / "out", *both) as process:
        wait_until(lambda: "mcp: reading weights\n" in process.printed()[1])
        os.kill(max(descendants(process.pid)), signal.SIGKILL)  # the child was started last
        finished = process.finish()
    assert finished.code == 2
    note, error = finished.err.splitlines()[-2:]
    assert note.startswith("note: llm: finished, and kept in ")
    assert error.startswith("error: mcp: its process was killed")
    assert "GB)" in error
    assert names(tmp_path) == ["out.log", "out.partial"]


@pytest.mark.parametrize("target", targets.TARGETS)
def test_what_is_said_to_be_done_is_kept(
    target: str, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever interrupts as soon as a component is done does not have it converted again."""
    for tool in registry.of(components.COMPONENTS["mcp"], target).tools:
        pytest.importorskip(extras.module_of(tool))
    monkeypatch.setattr(workers, "run", convert_here)
    output, shown = tmp_path / "out", ProgressLines(["mcp"])
    kept: list[list[str]] = []

    def hear(event: Progress) -> None:
        shown.hear(event)
        if "done" in shown.texts(80)[0].plain:
            kept.append(resume.names(output))

    chosen = targets.TARGETS[target]
    options = export.Options(
        components.select("mcp"),
        target=target,
        precision=chosen.precision,
        compression=load(chosen.compression[chosen.precision], target),
    )
    export.export(
        Checkpoint.open(tiny_checkpoint), output, options, log=tmp_path / "log", progress=hear
    )
    assert kept[0] == ["mcp"]
