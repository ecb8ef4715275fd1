"""Files in the working folder are never executed in place of the modules they are named like."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobileo_export.cli.main import app
from mobileo_export.doctor import imports
from mobileo_export.jetson.cli.main import app as board
from mobileo_export.processes import child_process
from tests.command import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.exports import Exports

# Modules that our programs import: of Python, of the core, of the extras.
NAMES = (
    "argparse", "ctypes", "dataclasses", "json", "logging", "pathlib", "queue", "random",
    "selectors", "signal", "subprocess", "tempfile", "threading", "typing", "zipfile",
    "PIL", "click", "numpy", "packaging", "rich", "safetensors", "tokenizers", "typer",
    "coremltools", "diffusers", "huggingface_hub", "jinja2", "mlx", "onnx", "onnxruntime",
    "sklearn", "tensorflow", "tensorrt", "timm", "torch", "torchvision", "transformers", "xgboost",
)  # fmt: skip
COMMANDS = [command.name for command in app.registered_commands]
BOARD_COMMANDS = [command.name for command in board.registered_commands]


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, full of files that say so when they are executed."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(
            f"open({str(tmp_path / 'executed')!r}, 'a').write('{name} ')\n"
            f"raise SystemExit('executed {name}')\n"
        )
    clone = folder / "transformers"  # a package wins over a module
    clone.mkdir()
    (clone / "__init__.py").write_text((folder / "transformers.py").read_text())
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    return folder


def executed(trap: Path) -> str:
    """The names of the files that were."""
    marks = trap.parent / "executed"
    return marks.read_text() if marks.exists() else ""


def run(trap: Path, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(list(command), capture_output=True, text=True, check=False)
    assert executed(trap) == "", done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_the_traps_work(trap: Path) -> None:
    subprocess.run([sys.executable, "-c", "import random"], check=False, capture_output=True)
    assert executed(trap) == "random "


# Starts a program again and again as ``python -m`` does, with the working folder first on the path.
AGAIN = """
import json, os, runpy, sys
module, lines = sys.argv[1], json.loads(sys.argv[2])
for arguments in lines:
    sys.path.insert(0, os.getcwd())
    sys.argv = [module, *arguments]
    code = None
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    print(f"\\n{arguments[0]} ended with {code}", flush=True)
"""


def again(
    trap: Path, module: str, lines: Sequence[Sequence[str | Path]]
) -> dict[str, tuple[int, str]]:
    """Exit code of each line of arguments and what it prints, by its first word; in one process."""
    script = trap.parent / "again.py"
    script.write_text(AGAIN)
    typed = json.dumps([[*map(str, arguments)] for arguments in lines])
    done = run(trap, [sys.executable, script, module, typed])
    names = [str(arguments[0]) for arguments in lines]
    pieces = re.split(r"\n(\S+) ended with (\d+)\n", done.stdout)
    assert pieces[1::3] == names, done.stdout + done.stderr
    return dict(zip(names, zip(map(int, pieces[2::3]), pieces[::3], strict=False), strict=True))


@pytest.mark.parametrize(
    ("module", "names"),
    [("mobileo_export", COMMANDS), ("mobileo_export.jetson", BOARD_COMMANDS)],
    ids=["here", "board"],
)
def test_help_of_every_command(trap: Path, module: str, names: list[str]) -> None:
    first = run(trap, [sys.executable, "-m", module, names[0], "--help"])
    assert "--debug" in first.stdout
    shown = again(trap, module, [(name, "--help") for name in names])
    for name, (code, text) in shown.items():
        assert code == 0
        assert f" {name} " in text
        assert "--debug" in text


@pytest.mark.parametrize("program", [[PROGRAM], [sys.executable, "-m", "mobileo_export"]])
def test_an_export_and_what_looks_at_it(
    trap: Path, tiny_checkpoint: Path, program: list[str]
) -> None:
    bundle = trap.parent / "bundle"
    jobs = ["--only", "mcp,llm", "-q"]
    assert run(trap, [*program, "export", tiny_checkpoint, "-o", bundle, *jobs]).returncode == 0
    assert run(trap, [*program, "verify", bundle]).returncode == 0
    if program == [PROGRAM]:
        assert run(trap, [*program, "inspect", bundle]).returncode == 0
        assert run(trap, [*program, "diff", bundle, bundle]).returncode == 0


def test_commands_at_work(trap: Path, tiny_checkpoint: Path, exported: Exports) -> None:
    """Whatever else they do: as far as they import. Libraries of others they import once."""
    bundle = exported(tiny_checkpoint, "mcp,llm")
    Path("executed").write_text("")  # a file in the way of the demo
    run(trap, [PROGRAM, "doctor", tiny_checkpoint, "-q"])
    lines: list[list[str | Path]] = [
        ["export", tiny_checkpoint, "-o", "../bundle", "--dry-run"],
        ["inspect", tiny_checkpoint],
        ["run", tiny_checkpoint, "mcp", "--inputs", "none.npz", "-o", "../out.npz"],
        ["verify", bundle, "--checkpoint", tiny_checkpoint, "--component", "mcp", "--no-chain"],
        ["generate", tiny_checkpoint, "a circle", "-o", "../a.png", "--steps", "1", "-q"],
        ["record", bundle, "--checkpoint", tiny_checkpoint],
        ["explain", bundle, "--checkpoint", tiny_checkpoint, "--component", "dit"],
        ["chat", bundle],
        ["ask", tiny_checkpoint, "none.png", "what?"],
        ["edit", tiny_checkpoint, "none.png", "make it red", "-o", "../a.png"],
        ["evaluate", tiny_checkpoint, "--prompts", "none.jsonl", "--images", "../images"],
        ["merge-lora", "--base", tiny_checkpoint, "--weights", "post-trained", "-o", "../merged"],
        ["random-checkpoint", "-o", "../random", "-q"],
        ["demo", "-o", "executed"],
    ]
    done = again(trap, "mobileo_export", lines)
    finished = {name for name, (code, _) in done.items() if code == 0}
    assert finished >= {
        "export",
        "inspect",
        "verify",
        "generate",
        "merge-lora",
        "random-checkpoint",
    }


def test_the_boards_commands_at_work(trap: Path) -> None:
    for arguments in (["preflight"], ["build", "."], ["verify", "."], ["generate", ".", "x"]):
        run(trap, [sys.executable, "-m", "mobileo_export.jetson", *arguments])


@pytest.mark.parametrize("safe", [True, False])  # Python 3.10 does not know of the variable
def test_the_worker_that_builds_engines(trap: Path, safe: bool) -> None:
    worker = subprocess.Popen(
        child_process.module("mobileo_export.jetson.build_process", "--parent", str(os.getpid())),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=child_process.environment() if safe else dict(os.environ),
    )
    with worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps({"id": "b", "load": True, "onnx": "a", "engine": "b"}) + "\n")
        worker.stdin.flush()
        last = list(map(json.loads, worker.stdout))[-1]
    assert last["event"] == "failed"
    assert executed(trap) == ""


def test_what_the_doctor_imports(trap: Path) -> None:
    assert imports.attempt("json") is None
    assert imports.attempt("packaging") is None
    assert executed(trap) == ""


def test_a_child_is_of_this_very_package(trap: Path) -> None:
    """Also where another one is installed, or none, and the path does not say where ours lies."""
    environment = {**child_process.environment(), "PYTHONPATH": ""}
    code = child_process.module("mobileo_export.child_process_probe", "one", "two")
    done = subprocess.run(code, capture_output=True, text=True, check=False, env=environment)
    assert "No module named mobileo_export.child_process_probe" in done.stderr
    import mobileo_export

    assert str(Path(mobileo_export.__file__).parent) in code[4]
    found = run(trap, [*child_process.module("mobileo_export"), "--version"])
    assert found.stdout == f"mobileo-export {mobileo_export.__version__}\n"


def test_what_pythonpath_names_is_still_found(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("print('mine')")
    environment = child_process.environment(PYTHONPATH=str(tmp_path))
    done = subprocess.run(
        child_process.code("import mine"), capture_output=True, text=True, check=True,
        env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == "mine\n"
