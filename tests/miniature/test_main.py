"""``python -m miniature``: going on where it stopped, telling how far it is, installing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from miniature import __main__ as program
from miniature import sizes, steps
from mobileo_export.checkpoint.folder import Checkpoint
from tests import process_tree
from tests.forked import Forked

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_every_step_is_in_one_lane() -> None:
    listed = [name for lanes in steps.LANES for lane in lanes for name in lane]
    assert sorted(listed) == sorted(steps.STEPS)
    assert set(listed) >= steps.SHARED


def test_installed_is_a_checkpoint_with_its_record(trained: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    shutil.copytree(trained, work)
    (work / "plan.json").write_text('{"plan": "smoke"}')
    (work / "vae" / "gate.json").write_text('{"measured": {"reconstructed": 0.5}}')
    rows = "".join(f"{10 * i},{1 / i}\n" for i in range(1, 101))
    (work / "vae" / "curve.csv").write_text("step,loss\n" + rows)
    (work / "done.json").write_text('{"vae": 1.5}')
    output = tmp_path / "assets"
    for _ in range(2):  # the second replaces the first
        assert program.main(["install", "--work", str(work), "--output", str(output)]) == 0
    checkpoint = Checkpoint.open(output)
    assert checkpoint.model.diffusion.dit.inner_dim == 128
    record = json.loads((output / "training.json").read_text())
    assert record["plan"]["vae"]["steps"] == sizes.SMOKE.vae.steps
    assert record["plan"]["seed"] == 0
    assert record["gates"] == {"vae": {"measured": {"reconstructed": 0.5}}}
    assert record["minutes"] == {"vae": 1.5}
    curve = record["curves"]["vae"]
    assert (len(curve), curve[0], curve[-1]) == (30, [10, 1.0], [1000, 0.01])
    assert not list(tmp_path.glob("*.new"))


def test_run_goes_on_after_what_is_done_and_stops_at_a_gate(
    trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    shutil.copytree(trained, work)
    done = dict.fromkeys(("tokenizer", "vae", "latents", "vlm"), 1.0)
    (work / "done.json").write_text(json.dumps(done))
    (work / "minutes.json").write_text('{"vae-gate": 5.0}')  # of a run that was stopped in it
    assert program.main(["run", "--work", str(work), "--plan", "smoke"]) == 1
    said = capfd.readouterr().out
    assert "vae-gate: not met" in said
    assert "vae: begins" not in said
    assert 5 < json.loads((work / "done.json").read_text())["vae-gate"] < 6
    assert program.main(["status", "--work", str(work)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == len(steps.STEPS)
    assert any(line.startswith("vae-gate") and line.endswith("NOT MET") for line in lines)
    assert lines[0].split() == ["tokenizer", "done,", "1.0", "min"]
    assert lines[-1].split() == ["joint-gate", "to", "do"]


def test_a_run_that_is_told_to_end_takes_its_steps_along(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "miniature", "run", "--work", str(tmp_path / "work")]
    run = subprocess.Popen([*command, "--plan", "smoke"], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "tokenizer: begins\n"
    step = the_step_of(run.pid)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert_taken_along(step, said, tmp_path / "work")


def test_so_does_one_that_is_terminated(tmp_path: Path) -> None:
    """In a fork, which needs no imports; its step is a program all the same."""
    words = ["run", "--work", str(tmp_path / "work"), "--plan", "smoke"]
    with Forked(lambda: sys.exit(program.main(words))) as run:
        process_tree.wait_until(lambda: run.printed()[0] == "tokenizer: begins\n")
        step = the_step_of(run.pid)
        os.kill(run.pid, signal.SIGTERM)
        ended = run.finish(60)
    assert ended.code == 130
    assert_taken_along(step, ended.out, tmp_path / "work")


def the_step_of(run: int) -> int:
    process_tree.wait_until(lambda: process_tree.children(run))
    (step,) = process_tree.children(run)
    return step


def assert_taken_along(step: int, said: str, work: Path) -> None:
    assert said.splitlines()[-1] == "stopped; run again to go on"
    process_tree.assert_ended([step])
    assert not (work / "done.json").exists()
    assert list(json.loads((work / "minutes.json").read_text())) == ["tokenizer"]
