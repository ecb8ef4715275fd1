"""``mobileo-export bench``: what is printed and written, whole, failed, or interrupted."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobileo_export.bench import results
from mobileo_export.bench.device import MeasuredDevice
from mobileo_export.bench.device_limits import limits_of
from mobileo_export.bench.stages import STAGES
from tests.command import Command
from tests.forked import fork
from tests.process_tree import wait_until

from .mac import FakeMac

FEW = ("--runs", "2", "--warmups", "0", "--image-runs", "1", "--image-warmups", "0")
SHORT = (*FEW, "--tokens", "2", "--steps", "1")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line a stage, whatever terminal the tests run in."""
    monkeypatch.setenv("COLUMNS", "200")


def test_everything_is_measured_shown_and_written(
    command: Command,
    recorded: Path,
    mac: FakeMac,
    tmp_path: Path,
) -> None:
    output = tmp_path / "mac.json"
    done = command("bench", recorded, *SHORT, "-o", output)
    assert done.code == 0, done.err
    rows = {line.split()[0]: line for line in done.out.splitlines() if line.strip()}
    assert rows["vision_encoder"].rstrip().endswith("56 ± 7")
    assert " MB" in rows["dit_step"]
    assert "thermal state nominal, then nominal" in done.out
    assert "coreml, mlx; " in done.out
    assert "calls replayed, as recorded" in done.out
    assert "MLX's arrays" in done.out.splitlines()[0] + done.out.splitlines()[1]
    assert " MB of MLX's arrays at most, by its own counter" in done.out
    assert "dit_step: measuring" in done.err
    found = results.read(output).content
    assert found["self_test"]["passed"]
    assert found["program"]["name"] == "mobileo-export"
    assert "% " in rows["vision_encoder"]  # of the limit of an M2 Pro
    page = tmp_path / "page.html"
    assert command("bench-report", output, "-o", page).code == 0
    assert "Where the time of a picture goes" in page.read_text(encoding="utf-8")


@pytest.mark.usefixtures("known_peak")
def test_json_is_all_that_is_printed(command: Command, tiny_bundle: Path) -> None:
    done = command("bench", tiny_bundle, "--only", "mcp", *FEW[:4], "--no-replay", "--json")
    assert done.code == 0
    assert json.loads(done.out)["settings"]["runs"] == 2
    (line,) = done.err.splitlines()
    assert line.startswith("warning: run by mil on the processor: no measure")


def test_a_fast_run_that_computes_something_else_fails(
    command: Command,
    recorded: Path,
    mac: FakeMac,
    tmp_path: Path,
) -> None:
    def other(name: str, outputs: dict[str, Any]) -> dict[str, Any]:
        return {k: v * 1.1 if name == "connector" else v for k, v in outputs.items()}

    mac.change = other
    output = tmp_path / "mac.json"
    done = command("bench", recorded, "--only", "mcp", *FEW[:4], "-o", output, "--quiet")
    assert done.code == 1
    assert "NOT as recorded" in done.out
    assert "error: replay: mcp, " in done.err
    assert "a fast run that computes something else is no run" in done.err.splitlines()[-1]
    assert results.read(output).content["self_test"]["passed"] is False


def test_what_is_not_finite_fails_and_the_rest_is_kept(
    command: Command,
    tiny_bundle: Path,
    mac: FakeMac,
    tmp_path: Path,
) -> None:
    def broken(name: str, outputs: dict[str, Any]) -> dict[str, Any]:
        return {k: v * np.nan if name == "connector" else v for k, v in outputs.items()}

    mac.change = broken
    output = tmp_path / "mac.json"
    done = command("bench", tiny_bundle, "--only", "mcp,vae_decoder", *FEW[:4], "-o", output, "-q")
    assert done.code == 1
    first, last = (line for line in done.err.splitlines() if line.startswith("error: "))
    assert first.startswith("error: mcp: not measured, mcp: ")
    assert last.endswith("(1 failure)")
    found = results.read(output).content
    assert found["failures"] == [first.removeprefix("error: ")]
    assert "vae_decoder" in {item["name"] for item in found["measurements"]}


def test_an_interrupt_keeps_what_was_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "cut.json"
    many = ("--runs", "1000000", "--warmups", "0", "--only", "mcp")
    with fork("bench", tiny_bundle, *many, "-o", output) as process:
        wait_until(lambda: "mcp: measuring" in process.printed()[1])
        time.sleep(0.5)  # some runs are done meanwhile
        assert process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        done = process.finish()
    out, err = done.out, done.err
    assert done.code == 130, err
    assert err.splitlines()[-1] == "error: interrupted"
    found = results.read(output).content
    (mcp,) = (item for item in found["measurements"] if item["name"] == "mcp")
    said = f"in mcp, {len(mcp['values'])} of its 1000000 runs done"
    assert found["incomplete"] == said
    assert f"ended {said}; what was measured is in {output}, marked as incomplete" in err
    assert "mcp (ms)" in out


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has Core ML")
def test_a_runtime_that_is_missing_is_one_line(command: Command, tiny_bundle: Path) -> None:
    done = command("bench", tiny_bundle, "--runtime", "coreml")
    assert done.code == 2
    assert done.error().startswith("the coreml runtime needs macOS; here --runtime mil executes")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--runs", "0"), "choose at least 1"),
        (("--image-runs", "0"), "choose at least 1"),
        (("--warmups", "-1"), "choose 0 or more"),
        (("--steps", "0"), "steps"),
        (("--only", "eye"), "eye"),
        (("--compute-units", "all"), "goes with --runtime coreml only"),
        (("-o", "mac.txt"), "name a .json file"),
    ],
)
def test_what_means_nothing_is_refused(
    command: Command, tiny_bundle: Path, words: tuple[str, ...], said: str
) -> None:
    done = command("bench", tiny_bundle, *words)
    assert done.code == 2
    assert said in done.error()


def test_nothing_is_faster_than_this_machine_can(
    command: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    """By a peak that is measured in the same run."""
    output = tmp_path / "here.json"
    done = command("bench", tiny_bundle, *SHORT, "--no-replay", "-o", output, "--quiet")
    assert done.code == 0, done.err
    content = results.read(output).content
    assert content["machine"]["peak"]["flops"] > 1e8
    (found,) = limits_of([MeasuredDevice("this", (), content)]).values()
    assert found.keys() == STAGES.keys() - {"preprocessing", "loading"}
    assert all(0 < limit.share < 1 for limit in found.values()), found
