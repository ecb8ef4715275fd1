"""Standard streams that are unread, closed or full, and text that is not UTF-8, in real shells."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ..command import PROGRAM, Command
from ..exports import Exports


def shell(script: str, folder: Path, **names: object) -> subprocess.CompletedProcess[bytes]:
    """Run ``script`` under bash with pipefail; ``$P`` is our program, others as given."""
    variables = "".join(f"{name}={str(value)!r}; " for name, value in names.items())
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; P={PROGRAM!r}; {variables}{script}"],
        cwd=folder,
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def bundle(tiny_checkpoint: Path, exported: Exports, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported(tiny_checkpoint, "llm"), tmp_path / "bundle"))


def test_a_reader_that_has_seen_enough_changes_no_exit_code(
    bundle: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(bundle, tmp_path / "other")
    (other / "NOTICE.txt").write_text("changed")
    for command, code in (
        ('inspect "$C"', 0),
        ("inspect bundle --json", 0),
        ("diff bundle bundle", 0),
        ("diff bundle other", 1),  # the verdict stays what it is
        ("verify bundle", 0),
        ("verify other", 1),
        ("doctor -q", 0),
        ("--help", 0),
    ):
        for reader in ("head -n 1 > /dev/null", "true"):
            done = shell(f'"$P" {command} | {reader}', tmp_path, C=tiny_checkpoint)
            assert done.returncode == code, (command, reader, done.stderr)
            assert b"Traceback" not in done.stderr
            assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(
    tiny_checkpoint: Path, tmp_path: Path, closed: str, unbuffered: str
) -> None:
    for command, code in (('inspect "$C"', 0), ("--help", 0), ("verify nothing", 2)):
        script = f'PYTHONUNBUFFERED={unbuffered} "$P" {command} {closed}'
        done = shell(script, tmp_path, C=tiny_checkpoint)
        assert done.returncode == code, (command, done.stderr)
        expected = b"error: nothing: not a bundle, it has no manifest.json\n"
        assert done.stderr == (b"" if code == 0 or "2>&-" in closed else expected)


def test_files_are_not_opened_in_place_of_closed_streams(tmp_path: Path) -> None:
    """What a library prints to descriptor 1 would be written into them."""
    done = shell('"$P" random-checkpoint -o out >&- 2>&- <&-', tmp_path)
    assert done.returncode == 0
    assert shell('"$P" inspect out --json', tmp_path).returncode == 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["--help", "--version", "doctor -q"])
def test_an_output_that_is_full_is_said(tmp_path: Path, command: str, unbuffered: str) -> None:
    done = shell(f'PYTHONUNBUFFERED={unbuffered} "$P" {command} > /dev/full', tmp_path)
    assert done.returncode == 2
    assert done.stderr == b"error: standard output: No space left on device\n"


@pytest.mark.parametrize(
    "command", ["generate miniature \"$T\" -o a.png", "edit miniature in.png \"$T\" -o a.png",
                "ask miniature in.png \"$T\""],
)  # fmt: skip
def test_a_prompt_that_is_not_utf8(tmp_path: Path, command: str) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "in.png")
    done = shell(f"T=$'caf\\xe9'; \"$P\" {command}", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        b"error: the byte 0xe9 after 'caf' is no character of the text's encoding; write it in "
        b"UTF-8 (iconv -f latin1 -t utf-8 converts)\n"
    )
    assert not (tmp_path / "a.png").exists()


def test_half_a_character_in_a_file_of_prompts() -> None:
    from mobileo_export.errors import UsageError
    from mobileo_export.pipelines.tokens import User

    with pytest.raises(UsageError, match="what after 'a ' is no character"):
        User("a \ud83d cat")


def test_a_line_of_a_chat_that_is_not_utf8(bundle: Path) -> None:
    lines = r"Hello.\ncaf\xe9\nNobody hears this.\n"
    script = f"printf '{lines}' | \"$P\" chat bundle --max-new-tokens 2 --json"
    done = shell(script, bundle.parent)
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1  # the first was answered
    assert done.stderr.startswith(b"error: the byte 0xe9 after 'caf' is no character")
    assert len(done.stderr.splitlines()) == 1


def test_a_chat_that_nobody_reads_ends(bundle: Path) -> None:
    script = 'yes Hello | "$P" chat bundle --max-new-tokens 1 --json | head -n 1'
    done = shell(script, bundle.parent)
    # `yes` is ended by the closed pipe, as the shell has it.
    assert done.stdout.count(b"\n") == 1
    assert b"Traceback" not in done.stderr
    assert shell('"$P" chat bundle <&-', bundle.parent).returncode == 0


@pytest.mark.parametrize("output", [".", "..", "/", ""])
@pytest.mark.parametrize(
    "words",
    [
        "export miniature -o",
        "export miniature --dry-run -o",
        "merge-lora --base miniature --weights post-trained -o",
        "random-checkpoint -o",
        "generate miniature x -o",
        "edit miniature in.png x -o",
        "run miniature mcp --inputs in.npz -o",
        "evaluate miniature --prompts none --images",
    ],
)
def test_an_output_that_has_no_name_of_its_own(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if words.startswith("random") and output in {".", ""}:
        (tmp_path / "something").write_text("")
    done = command(*words.split(), output)
    assert done.code == 2, done.err
    assert done.err.splitlines()[-1].startswith("error: "), done.err
    assert "Traceback" not in done.err
