"""``mobileo-jetson`` as a program: without any heavy package, on and off the board."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer.main

from mobileo_export.bundle import manifest
from mobileo_export.cli import main, program
from mobileo_export.jetson.cli.main import app
from mobileo_export.parity.golden import replay as replay_module
from mobileo_export.parity.golden.replay import Check, Replay
from mobileo_export.parity.results import Comparison
from mobileo_export.runtimes.tensorrt import libcudart, library
from tests.command import Finished
from tests.runtimes.tensorrt import fake_tensorrt
from tests.runtimes.tensorrt.fake_cuda import FakeCuda

from . import bundles

ROOT = Path(__file__).parents[2]
COMMANDS = ("preflight", "build", "verify", "generate", "ask", "edit", "chat", "bench")


def bare(*lines: Sequence[str | Path]) -> list[Finished]:
    """Command lines in a process that finds the core's packages only."""
    given = "".join(json.dumps([*map(str, line)]) + "\n" for line in lines)
    done = subprocess.run(
        [sys.executable, "-m", "tests.jetson.bare"],
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [Finished(**json.loads(line)) for line in done.stdout.splitlines()]


class Command:
    """In this process, with a board's TensorRT and CUDA if they are given."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.patch, self.capture = patch, capture

    def __call__(self, *arguments: str | Path) -> Finished:
        self.patch.setattr(sys, "argv", ["mobileo-jetson", *map(str, arguments)])
        self.capture.readouterr()
        code = program.call(app)
        captured = self.capture.readouterr()
        return Finished(code, captured.out, captured.err)

    def on_board(self, cuda: FakeCuda) -> None:
        self.patch.setattr(library, "load", lambda: fake_tensorrt.library(cuda))
        self.patch.setattr(libcudart, "load", lambda: cuda)


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def test_every_module_imports_and_helps_without_heavy_packages() -> None:
    whole, *others = bare(["--help"], *([name, "--help"] for name in COMMANDS))
    for found in (whole, *others):
        assert (found.code, found.err) == (0, "")
        assert "Usage: " in found.out
    assert all(name in whole.out for name in COMMANDS)


def test_help_is_fast(jetson: Command) -> None:
    started = time.process_time()
    assert jetson("--help").code == 0
    assert time.process_time() - started < 0.5
    assert jetson("--version").out.startswith("mobileo-jetson ")


@pytest.mark.parametrize("name", ["generate", "ask", "edit", "chat"])
def test_what_uses_a_bundle_is_the_command_of_the_desk(name: str) -> None:
    here, there = (typer.main.get_command(one).commands[name] for one in (app, main.app))  # type: ignore[attr-defined]
    assert here.help == there.help
    ours = {parameter.name: parameter for parameter in here.params}
    theirs = {parameter.name: parameter for parameter in there.params}
    assert ours.keys() ^ theirs.keys() == {
        "bundle",
        "source",
        "ignore_budget",
        "weights",
        "offline",
    }
    for option in ours.keys() & theirs.keys() - {"runtime"}:
        for fact in ("opts", "help", "default", "required"):
            assert getattr(ours[option], fact) == getattr(theirs[option], fact), (option, fact)
    assert ours["runtime"].default == "tensorrt"


def test_off_the_board_every_command_says_what_is_missing(bundle: Path, tmp_path: Path) -> None:
    picture = tmp_path / "x.png"
    looked, listed, *others = bare(
        ["preflight", bundle],
        ["preflight", "--json"],
        ["build", bundle],
        ["generate", bundle, "a red circle", "-o", picture],
        ["ask", bundle, "photo.png", "what is it?"],
        ["edit", bundle, "photo.png", "make it blue", "-o", picture],
        ["chat", bundle],
        ["bench", bundle],
        ["verify", bundle],
    )
    assert looked.code == 1
    assert looked.error() == "board, tensorrt, cuda: must change first, see above"
    assert "this is not a Jetson with L4T" in looked.out
    assert "building connector.onnx takes about" in looked.out
    names = {item["what"] for item in json.loads(listed.out)["findings"]}
    assert names >= {"board", "python", "tensorrt", "cuda", "power", "memory", "disk"}
    for found in others:
        assert found.code == 2
        assert found.error().startswith("TensorRT is not found by this Python; on a Jetson it")
    assert not picture.exists()


@pytest.mark.parametrize("command", ["build", "verify", "chat", "bench"])
def test_what_is_no_bundle_is_refused(jetson: Command, tmp_path: Path, command: str) -> None:
    found = jetson(command, tmp_path)
    assert found.code == 2
    assert "not a bundle, it has no manifest.json" in found.error()


def test_verify_on_the_board(jetson: Command, bundle: Path) -> None:
    cuda = FakeCuda()
    jetson.on_board(cuda)
    first, _ = bundles.engines(bundle, cuda)
    found = jetson("verify", bundle)
    assert found.code == 0
    assert "3 files and engines as they should be" in found.out
    assert "holds no golden trace" in found.err
    first.engine.write_bytes(b"")
    found = jetson("verify", bundle, "--json")
    assert found.code == 1
    assert "run mobileo-jetson build" in found.error()
    (problem,) = json.loads(found.out)["problems"]
    assert "is 0 bytes" in problem
    (bundle / "extra").write_text("")
    assert "extra extra (not listed)" in jetson("verify", bundle).out


@pytest.mark.parametrize(
    ("problem", "code", "verdict"),
    [
        (None, 0, "The replay holds: BUNDLE computes what was recorded."),
        ("differs", 1, "The replay does not hold: BUNDLE does not compute what was recorded (1 "),
    ],
)
def test_a_replay_on_the_board_ends_with_its_verdict(
    jetson: Command,
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    problem: str | None,
    code: int,
    verdict: str,
) -> None:
    real, comparison = manifest.read, Comparison("b", "c", "released", "tensorrt", ())
    found = Replay(comparison, (Check("edit, step 2"), Check("edit, step 3", problem)))
    monkeypatch.setattr(manifest, "read", lambda path: {**real(path), "golden": {}})
    monkeypatch.setattr(Comparison, "ok", True)  # of no component at all it is not
    monkeypatch.setattr(replay_module, "replay", lambda *arguments: found)
    cuda = FakeCuda()
    jetson.on_board(cuda)
    bundles.engines(bundle, cuda)
    done = jetson("verify", bundle, "--quiet")
    lines = (done.out if problem is None else done.err).splitlines()
    assert done.code == code
    assert lines[-1].removeprefix("error: ").startswith(verdict.replace("BUNDLE", str(bundle)))
    state = "holds" if problem is None else "FAILS"
    assert f"golden trace    {state}" in done.out
    assert ("error: edit, step 3: differs" in done.err) is (problem is not None)
    told = json.loads(jetson("verify", bundle, "--json").out)
    assert told["replay"]["ok"] is (problem is None)


def test_too_little_memory_is_said_before_anything_is_loaded(
    jetson: Command, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mobileo_export.jetson import board, memory_budget
    from mobileo_export.jetson.cli import options

    cuda = FakeCuda()
    jetson.on_board(cuda)
    bundles.engines(bundle, cuda)
    monkeypatch.setattr(board, "memory", lambda host: board.BoardMemory(8 * 10**9, 10**8))
    monkeypatch.setattr(options, "BENCHED", ("mcp", "dit"))
    found = jetson("bench", bundle)
    assert found.code == 2
    assert "takes 0.73 GB with the process around it, 0.10 GB are free" in found.err
    assert "memory: mcp" in found.err
    assert "malloc" not in cuda.calls
    assert memory_budget.PROCESS > 10**8


def test_build_says_what_became_of_each_engine(
    jetson: Command, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mobileo_export.jetson import build

    from .test_build import tools

    monkeypatch.chdir(ROOT)

    def use(kind: str) -> None:
        monkeypatch.undo()
        monkeypatch.chdir(ROOT)
        made = tools(kind)
        monkeypatch.setattr(build, "Builder", lambda: made)

    use("memory")
    found = jetson("build", bundle, "--quiet")
    assert found.code == 2
    lines = found.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("error: mcp: memory ran out; end the desktop")
    assert lines[1].startswith("error: dit: memory ran out; end the desktop")
    use("builds")
    found = jetson("build", bundle, "--quiet", "--only", "mcp")
    assert found == Finished(0, "mcp: built in 0 s, 6 B\n", "")
    found = jetson("build", bundle, "--json")
    engines = json.loads(found.out)["engines"]
    assert [(e["name"], e["status"]) for e in engines] == [("mcp", "kept"), ("dit", "built")]
    assert jetson("build", bundle, "--level", "9").code == 2
    assert "has no llm" in jetson("build", bundle, "--only", "llm").error()
