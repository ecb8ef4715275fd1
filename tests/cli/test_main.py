"""Manners of the command line: start-up, help, versions, exit codes, one-line errors."""

from __future__ import annotations

import os
import platform
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import typer

from mobileo_export import __version__
from mobileo_export.cli import main, program
from mobileo_export.errors import CheckFailedError, InternalError, UsageError
from mobileo_export.jetson.cli import main as board
from mobileo_export.processes import debug

from ..command import PROGRAM, execute, start

if TYPE_CHECKING:
    from pathlib import Path

    from ..command import Command

COMMANDS = {
    "export": [
        "--output", "--only", "--target", "--precision", "--llm-bits", "--llm-group-size",
        "--llm-exception", "--weights", "--revision", "--offline", "--dry-run", "--overwrite",
        "--golden", "--json", "--quiet", "--verbose",
    ],
    "inspect": ["--revision", "--offline", "--json"],
    "verify": [
        "--checkpoint", "--only", "--runtime", "--compute-units", "--report", "--no-chain",
        "--steps", "--mutations", "--replay", "--self-test", "--offline", "--json", "--quiet",
        "--verbose",
    ],
    "record": ["--checkpoint", "--steps", "--no-parity", "--offline", "--json", "--quiet"],
    "diff": ["--limit", "--json", "--quiet"],
    "doctor": ["--target", "--runtime", "--imports", "--json", "--quiet"],
    "demo": ["--output", "--seed", "--json", "--quiet"],
    "run": ["--inputs", "--output", "--runtime", "--weights", "--json"],
    "generate": [
        "--output", "--steps", "--guidance", "--seed", "--runtime", "--weights", "--offline",
        "--json", "--quiet",
    ],
    "edit": [
        "--output", "--steps", "--guidance", "--seed", "--runtime", "--weights", "--offline",
        "--json", "--quiet",
    ],
    "ask": [
        "--temperature", "--top-p", "--max-new-tokens", "--seed", "--runtime", "--weights",
        "--offline", "--json", "--quiet",
    ],
    "chat": [
        "--temperature", "--top-p", "--max-new-tokens", "--seed", "--runtime", "--weights",
        "--offline", "--json", "--quiet",
    ],
    "evaluate": ["--only", "--limit", "--seed", "--prompts", "--images", "--runtime", "--json"],
    "bench": ["--runs", "--only", "--compute-units", "--limits", "--device", "--output", "--json"],
    "bench-report": ["--output", "--json"],
    "compress-plan": [
        "--size", "--output", "--only", "--samples", "--prompts", "--calibrate",
        "--no-compare", "--weights", "--revision", "--offline", "--json", "--quiet",
    ],
    "serve": [
        "--port", "--runtime", "--weights", "--offline", "--json", "--quiet", "--verbose",
    ],
    "explain": ["--checkpoint", "--only", "--case", "--offline", "--json", "--quiet"],
    "witness": ["--checkpoint", "--only", "--offline", "--page", "--json", "--quiet"],
    "merge-lora": [
        "--base", "--adapter", "--output", "--weights", "--allow-pickle", "--revision",
        "--offline", "--dry-run", "--overwrite", "--json", "--quiet",
    ],
    "upload": ["--public", "--revision", "--message", "--dry-run", "--json", "--quiet"],
    "random-checkpoint": ["--output", "--variant", "--seed", "--mcp-layers", "--refinement-blocks"],
}  # fmt: skip
HEAVY = (
    "torch", "coremltools", "numpy", "transformers", "diffusers", "mlx", "rich", "safetensors",
    "starlette", "uvicorn",
)  # fmt: skip


def test_help_starts_in_half_a_second() -> None:
    durations = []
    for _ in range(5):  # seconds of the processor: what else the machine does is not ours
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([PROGRAM, "--help"], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        durations.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if durations[-1] < 0.5:
            return
    pytest.fail(f"best of five: {min(durations):.2f} s")


@pytest.mark.parametrize("arguments", [["--help"], ["export", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from mobileo_export.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: print([m for m in sys.argv[-1].split(',') if m in sys.modules])\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments, ",".join(HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.splitlines()[-1] == "[]"


def test_help_lists_every_command(command: Command) -> None:
    shown = command("--help")
    assert shown.code == 0
    listed = shown.out.partition("Options:\n")[2]
    assert "..." not in listed
    words = " ".join(listed.split())
    for info in main.app.registered_commands:
        described = " ".join((info.callback.__doc__ or "").split())
        assert f"{info.name} {described.partition('. ')[0].removesuffix('.')}." in words
    assert {info.name for info in main.app.registered_commands} == COMMANDS.keys()


@pytest.mark.parametrize(("name", "options"), COMMANDS.items(), ids=list(COMMANDS))
def test_help_of_a_command_mentions_its_options(
    command: Command, name: str, options: list[str]
) -> None:
    shown = command(name, "--help")
    assert (shown.code, shown.err) == (0, "")
    for option in options:
        assert f"{option} " in shown.out or f"{option}\n" in shown.out, option


@pytest.mark.parametrize("variant", ["0.5B", "TINY"])
def test_names_of_models_in_any_case(command: Command, tmp_path: Path, variant: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("")
    done = command("random-checkpoint", "-o", tmp_path / "mine", "--variant", variant)
    assert "is not an empty folder" in done.error()


def test_a_file_is_not_called_absent(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_text("")
    for arguments in (
        ("inspect", file),
        ("doctor", file),
        ("export", file, "-o", tmp_path / "b"),
        ("merge-lora", "--base", file, "-o", tmp_path / "b", "--weights", "post-trained"),
        ("generate", file, "text", "-o", tmp_path / "o.png"),
    ):
        done = command(*arguments)
        assert (done.code, done.error()) == (
            2,
            f"{file}: is a file; name the folder that it lies in, or a hub id",
        )


def test_a_bundle_in_place_of_a_checkpoint(
    command: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    for arguments in (
        ("export", tiny_bundle, "-o", tmp_path / "b"),
        ("merge-lora", "--base", tiny_bundle, "-o", tmp_path / "b", "--weights", "post-trained"),
        ("explain", tiny_bundle, "--checkpoint", tiny_bundle, "--component", "mcp"),
    ):
        done = command(*arguments)
        assert (done.code, done.error()) == (
            2,
            f"{tiny_bundle}: is a bundle; name the checkpoint that it was made from",
        )


def test_version(command: Command) -> None:
    assert command("--version").out == f"mobileo-export {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Usage"),
        (["exprot"], "Did you mean 'export'"),
        (["export"], "checkpoint"),
        (["export", "x"], "--output"),
        (["export", "x", "-o", "y", "--llm-bits", "7"], "--llm-bits"),
        (["export", "x", "-o", "y", "--target", "android"], "--target"),
        (["export", "x", "-o", "y", "--unknown"], "--unknown"),
        (["random-checkpoint", "-o", "y", "--variant", "7b"], "--variant"),
        (["random-checkpoint", "-o", "y", "--seed", "-1"], "--seed"),
    ],
)
def test_usage_errors_exit_with_2(command: Command, arguments: list[str], message: str) -> None:
    shown = command(*arguments)
    assert shown.code == 2
    said = (shown.out + shown.err).lower()  # older typer names arguments in capitals
    assert message.lower() in said
    assert "Traceback" not in shown.err


def failing(error: BaseException) -> object:
    def read(bundle: object) -> NoReturn:
        raise error

    return read


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("a\n  b\tc"), 2, "error: a b c\n"),
        (CheckFailedError("does not hold"), 1, "error: does not hold\n"),
        (OSError(28, "No space left on device", "/x"), 2, "error: /x: No space left on device\n"),
        (OSError("no number"), 2, "error: no number\n"),
        (UsageError("red \x1b[31m"), 2, "error: red \\x1b[31m\n"),
    ],
)
def test_expected_errors_are_one_line_and_an_exit_code(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    line: str,
) -> None:
    monkeypatch.setattr("mobileo_export.bundle.manifest.read", failing(error))
    shown = command("verify", "x")
    assert (shown.code, shown.out, shown.err) == (code, "", line)


def test_a_bug_is_said_to_be_ours_with_what_to_send(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mobileo_export.bundle.manifest.read", failing(ZeroDivisionError("bug")))
    shown = command("verify", "my bundle")
    assert shown.code == 2
    assert shown.error().startswith("internal error, not your fault: ZeroDivisionError: bug at ")
    assert "verify.py:" in shown.error()
    assert f"mobileo_export {__version__}, Python {platform.python_version()}" in shown.error()
    assert shown.error().endswith("mobileo-export verify 'my bundle'")


def test_a_bug_in_the_evaluator_says_where(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = InternalError("KeyError: 'k' in the evaluator, x.mlpackage: op 'a' (relu)")
    monkeypatch.setattr("mobileo_export.bundle.manifest.read", failing(bug))
    assert f"internal error, not your fault: {bug}; please" in command("verify", "x").error()


@pytest.mark.parametrize(
    "arguments",
    [("--debug", "verify", "x"), ("verify", "x", "--debug"), ("verify", "--debug", "x")],
)
def test_debug_shows_the_traceback_wherever_it_stands(
    command: Command, arguments: tuple[str, ...]
) -> None:
    shown = command(*arguments)
    assert shown.code == 2
    assert shown.err.startswith("Traceback")
    assert shown.err.splitlines()[-1] == "error: x: not a bundle, it has no manifest.json"
    assert command("verify", "x").error()  # and not for the next one


def test_debug_comes_from_the_environment_too() -> None:
    assert "Traceback" in execute("verify", "x", MOBILEO_DEBUG="1").err
    assert execute("verify", "x", MOBILEO_DEBUG="0").error()


@pytest.mark.parametrize("program", [main.app, board.app])
def test_every_command_has_debug(program: typer.Typer, command: Command) -> None:
    assert "--debug" in command("--help").out
    for name, found in typer.main.get_command(program).commands.items():  # type: ignore[attr-defined]
        assert "debug" in {option.name for option in found.params}, name


def test_debug_keeps_the_scratch_folders_of_what_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for asked in ("", "1"):
        monkeypatch.setenv(debug.VARIABLE, asked)
        with suppress(ZeroDivisionError), debug.scratch("try-", tmp_path) as folder:
            (folder / "half").write_text("")
            raise ZeroDivisionError
        kept = list(tmp_path.glob("try-*/half"))
        assert len(kept) == (1 if asked else 0)
    assert capsys.readouterr().err == f"note: kept {kept[0].parent}\n"
    with debug.scratch("good-", tmp_path):
        pass
    assert not list(tmp_path.glob("good-*"))


@pytest.mark.parametrize(
    ("end", "code", "error"),
    [
        ("sys.exit('no such device')", 2, "error: no such device\n"),
        ("sys.exit(1)", 2, "error: library ended the program (exit code 1); --debug shows where\n"),
        ("sys.exit()", 2, "error: library ended the program (exit code 0); --debug shows where\n"),
        ("raise KeyboardInterrupt", 130, "error: interrupted\n"),
        ("raise MemoryError", 2, "error: memory ran out; close other programs, or raise the limit "
         "that is set on it\n"),
    ],
)  # fmt: skip
def test_a_library_that_ends_the_program(
    command: Command, monkeypatch: pytest.MonkeyPatch, end: str, code: int, error: str
) -> None:
    def read(bundle: object) -> None:
        exec(f"import sys; {end}", {"__name__": "library.inner"})

    monkeypatch.setattr("mobileo_export.bundle.manifest.read", read)
    shown = command("verify", "x")
    assert (shown.code, shown.err) == (code, error)


def test_a_reader_that_stops_reading_is_no_error(tiny_bundle: Path) -> None:
    process = start("verify", tiny_bundle)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # as `head` does
    assert process.stderr.read() == ""
    assert process.wait() == 0
    process.stderr.close()


def test_an_interrupt_that_the_shell_ignores_stays_ignored() -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from mobileo_export.__main__ import main; sys.argv = ['mobileo-export', '--version']\n"
        "try: main()\n"
        "finally: print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "True"


@pytest.mark.parametrize("program", ["mobileo_export", "mobileo_export.jetson"])
def test_an_interrupt_while_it_starts(program: str) -> None:
    code = (
        "import importlib, os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whatever started the tests
        "class Interrupting:\n"
        "    def find_spec(self, name, *others):\n"
        "        if name.endswith('.cli.main'): os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        f"importlib.import_module('{program}.__main__').main()\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (shown.returncode, shown.stderr) == (130, "error: interrupted\n")


def test_stop_is_no_keyboard_interrupt() -> None:
    with pytest.raises(SystemExit) as caught:
        program._stop(signal.SIGINT, None)
    assert caught.value.code == 130


def test_a_signal_waits_for_a_lock_to_be_released() -> None:
    """Raised between a lock's taking and its release, it would leave other threads waiting."""
    names: dict[str, Any] = {}
    source = "import sys\ndef hold(stop):\n    stop(sys._getframe())\n    return 'released'\n"
    exec(compile(source, "/lib/python3/threading.py", "exec"), names)
    assert names["hold"](lambda frame: program._stop(signal.SIGTERM, frame)) == "released"
    with pytest.raises(SystemExit) as caught:
        time.sleep(5)
    assert caught.value.code == 128 + signal.SIGTERM


def test_a_name_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")  # Latin-1, as an old disk may have it
    shown = execute("verify", tmp_path / name, PYTHONIOENCODING="ascii")
    assert shown.code == 2
    assert "not a bundle" in shown.error()
