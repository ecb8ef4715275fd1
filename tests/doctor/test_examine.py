"""What can be done on machines that are made up, and on this one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mobileo_export.doctor import abilities, binaries, examine, imports, machine, packages
from mobileo_export.errors import UsageError
from mobileo_export.memory import Available
from mobileo_export.processes import extras

from .test_packages import lookup

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.doctor.findings import Ability

LINUX = machine.Machine(
    (3, 11, 7), "Linux", (0, 0), "x86_64", 2, Available(16_000_000_000, "free on this machine"),
    100_000_000_000, 100_000_000_000, "", False, frozenset(),
)  # fmt: skip
MAC = replace(LINUX, system="Darwin", macos=(15, 1), architecture="arm64")
BOARD = replace(
    LINUX, architecture="aarch64", board="NVIDIA Jetson Orin Nano", gpu=True,
    modules=frozenset({"tensorrt"}),
)  # fmt: skip
HEAVY = ("torch", "coremltools", "mlx", "transformers", "diffusers", "onnx", "onnxruntime")


def able(here: machine.Machine, **changes: str | None) -> dict[str, Ability]:
    found = abilities.abilities(here, packages.environment(lookup(**changes)))
    return {ability.name: ability for ability in found}


def test_linux_with_everything() -> None:
    found = able(LINUX)
    assert not found["coreml"].able
    assert "--runtime mil" in (found["coreml"].mend or "")
    assert not found["tensorrt"].able
    others = [name for name, ability in found.items() if not ability.able]
    betas = {"coreai", "export --target coreai"}  # which not every machine has wheels of
    assert set(others) - betas <= {"coreml", "tensorrt", "export --target jetson"}


def test_a_mac_runs_core_ml_and_an_older_one_does_not() -> None:
    assert able(MAC)["coreml"].able
    older = able(replace(MAC, macos=(14, 5)))["coreml"]
    assert older.reason == "needs macOS 15"


def test_the_core_alone_says_what_is_missing() -> None:
    gone = dict.fromkeys((*HEAVY, "torchvision", "timm", "mlx_lm"))
    found = able(LINUX, **gone)
    export = found["export --target ios"]
    assert not export.able
    assert "coremltools" in export.reason
    assert export.mend == extras.install("export")
    assert "torch" in found["mil"].reason
    assert found["verify"].able
    assert found["merge-lora"].reason == "no pickles"
    pipelines = found["run, generate, edit, ask, chat, evaluate (bundle)"]
    assert not pipelines.able
    assert pipelines.mend == extras.install("export")


def test_a_package_out_of_range_does_not_count() -> None:
    assert not able(LINUX, coremltools="8.3")["export --target ios"].able


def test_what_is_there_and_unfit_is_mended_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "unlinked", lambda: ("libtorch_cuda.so",))
    for name in ("export --target ios", "torch"):
        found = able(LINUX)[name]
        assert not found.able
        assert found.reason == "needs another torchvision"
        assert "--force-reinstall --no-deps" in (found.mend or "")


@pytest.mark.parametrize(
    ("version", "reason"),
    [(None, "needs coreai-core"), ("1.0.0b4", "needs another coreai-core")],
)
def test_apples_beta_of_one_version_alone_will_do(version: str | None, reason: str) -> None:
    there = {"coreai_core": "1.0.0b3", "coreai_torch": "0.4.3"}
    assert all(able(LINUX, **there)[name].able for name in ("coreai", "export --target coreai"))
    found = able(LINUX, **there | {"coreai_core": version})
    for name, mend in (
        ("coreai", extras.install("coreai")),
        ("export --target coreai", extras.install("export", "coreai")),
    ):
        other = "pip install 'coreai-core==1.0.0b3'"
        assert found[name].reason == reason
        assert found[name].mend == (mend if version is None else other)
    assert found["export --target ios"].able


def test_a_board() -> None:
    assert able(BOARD)["tensorrt"].able
    state = packages.environment(lookup())
    (engine,) = (f for f in machine.findings(BOARD, state) if f.what == "TensorRT")
    assert (engine.state, engine.mend) == ("ok", None)


def findings(here: machine.Machine) -> dict[str, tuple[str, str | None]]:
    state = packages.environment(lookup())
    return {found.what: (found.state, found.mend) for found in machine.findings(here, state)}


def test_an_unsupported_python() -> None:
    state, mend = findings(replace(LINUX, python=(3, 14, 0)))["python"]
    assert state == "broken"
    assert "venv" in (mend or "")


def test_little_memory_and_disk_are_warned_of() -> None:
    tight = Available(1_000_000_000, "the limit of the control group")
    found = findings(replace(LINUX, memory=tight, disk_free=5_000_000_000))
    assert found["memory"][0] == found["disk"][0] == "warning"
    assert "--only" in (found["memory"][1] or "")


def test_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    report = examine.examine(target="ios", runtime="mil")
    assert report.asked == ("export --target ios", "mil")
    assert report.problems == ()


def test_what_is_asked_for_and_missing_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "look", lambda: LINUX)
    (problem,) = examine.examine(runtime="coreml").problems
    assert (problem.what, problem.detail) == ("coreml", "needs macOS")


def test_an_unknown_runtime() -> None:
    with pytest.raises(UsageError, match="choose from torch, mil"):
        examine.examine(runtime="ncnn")


def source(path: Path, **changes: object) -> dict[str, tuple[str, str]]:
    here = replace(LINUX, **changes)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "look", lambda: here)
        report = examine.examine(path)
    return {found.what: (found.state, found.detail) for found in report.source}


def test_a_checkpoint(tiny_checkpoint: Path) -> None:
    found = source(tiny_checkpoint)
    assert {state for state, _ in found.values()} == {"ok"}
    tight = source(tiny_checkpoint, memory=Available(100_000_000, "ulimit -v"), disk_free=1_000_000)
    assert tight["memory to export"][0] == tight["disk to export"][0] == "broken"
    assert "ulimit -v" in tight["memory to export"][1]


def test_a_bundle(tiny_bundle: Path) -> None:
    found = source(tiny_bundle)
    assert found["mcp on mil"] == ("ok", "can be done here")
    assert found["memory to run"][0] == "ok"
    tight = source(tiny_bundle, memory=Available(100_000_000, "ulimit -v"))
    assert tight["memory to run"][0] == "broken"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        examine.examine(tmp_path / "none")


def test_looking_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mobileo_export.doctor import examine; examine.examine()\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", None),
        ("raise ImportError('no libfoo.so')", "ImportError: no libfoo.so"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "the process died of SIGSEGV"),
        ("raise SystemExit(3)", "exit code 3"),
        ("import time; time.sleep(60)", "does not end within 2 s"),
    ],
)
def test_imports_in_a_process_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, problem: str | None
) -> None:
    (tmp_path / "planted_module.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    seconds = 2.0 if "sleep" in body else 60.0
    assert imports.attempt("planted_module", seconds) == problem
