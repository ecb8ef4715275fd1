"""The wheel in real environments, one an extra: pip installs it, and what is promised is tried.

`make test-installs`. What a command lacks is installed as its message says, to the letter.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobileo_export.processes import extras
from tests.absent import following
from tests.absent.commands import COMMANDS, assert_lacks, lacking, typed
from tests.command import Finished, _heed_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CORE = "core"
EXTRAS = os.environ.get("MOBILEO_INSTALLS", "").split()
pytestmark = [
    pytest.mark.installs,
    pytest.mark.skipif(not EXTRAS, reason="MOBILEO_INSTALLS names no extra (make test-installs)"),
    pytest.mark.skipif(sys.version_info < (3, 11), reason="there is no export extra"),
]

# With torch, which another extra than `export` brings too, the table of commands does not hold.
TRIED = [extra for extra in EXTRAS if extra != extras.COREAI]
# What messages lead to, the smallest first, so that each line has something left to be told.
FOLLOWED = [
    "run BOARD mcp --inputs IN.npz -o OUT.npz",
    "generate BOARD red -o OUT.png --steps 1 -q",
    "serve BOARD",
    "serve BUNDLE",
    "export CHECKPOINT -o NEW --only mcp -q",
    "export CHECKPOINT -o NEW --only mcp --target jetson -q",
    "export CHECKPOINT -o NEW --only mcp --target coreai -q",
    "verify BUNDLE --checkpoint CHECKPOINT --component mcp",
]


class Environment:
    """A virtual environment with the wheel, and what is typed in it."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        self.folder = folder
        venv.create(folder, with_pip=True)
        bracket = "" if extra == CORE else f"[{extra}]"
        self.install(f"pip install 'mobileo-export{bracket} @ {wheel.as_uri()}'")

    def install(self, command: str) -> None:
        """Type a command that installs something."""
        done = self.run("bash", "-euc", command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    def __call__(self, *arguments: str | Path) -> Finished:
        program = self.folder / "bin" / "mobileo-export"
        done = self.run(program, *arguments)
        return Finished(done.returncode, done.stdout, done.stderr)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program there, away from the clone, which would be imported from its folder."""
        return subprocess.run(
            [*map(str, command)],
            input="hello\n",  # for chat
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=self.variables(),
        )

    def variables(self) -> dict[str, str]:
        """Those of a shell in which the environment is active."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return {**kept, "PATH": path, "VIRTUAL_ENV": str(self.folder)}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of the tree, as a release is."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module", params=EXTRAS)
def environment(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Environment]]:
    """An extra, and where nothing but it is installed: removed afterwards."""
    folder = tmp_path_factory.mktemp("environment")
    yield request.param, Environment(folder / request.param, wheel, request.param)
    shutil.rmtree(folder)


def test_it_is_whole(environment: tuple[str, Environment]) -> None:
    extra, there = environment
    python = there.folder / "bin" / "python"
    checked = there.run(python, "-m", "pip", "check")
    assert checked.returncode == 0, checked.stdout
    modules = [*extras.MODULES[extras.CORE], *extras.MODULES.get(extra, ())]
    imported = there.run(python, "-c", f"import {', '.join(modules)}, mobileo_export")
    assert imported.returncode == 0, imported.stderr
    place = there.run(python, "-c", "import mobileo_export as m; print(m.__file__)").stdout
    assert place.startswith(str(there.folder))
    for program in ("mobileo-export", "mobileo-jetson"):
        assert there.run(there.folder / "bin" / program, "--help").returncode == 0
    for command in (["--version"], ["doctor"], ["inspect", "miniature"]):
        done = there(*command)
        assert done.code == 0, f"{command}: {done.err}"
        assert done.out


@pytest.mark.parametrize("line", COMMANDS)
def test_it_works_or_says_what_it_lacks(
    line: str, environment: tuple[str, Environment], places: dict[str, Path], tmp_path: Path
) -> None:
    extra, there = environment
    if extra not in TRIED:
        pytest.skip("brings some of what another brings")
    lacks = lacking(line, "" if extra == CORE else extra)
    if extra == extras.SERVE and line.startswith("serve"):
        lacks = COMMANDS["run BUNDLE mcp --inputs IN.npz -o OUT.npz"][0]
    wanted = set(re.findall(r"\w+", lacks.partition("[")[2])) or {lacks}
    assert_lacks(
        lacks,
        lambda: there(*typed(line, places)),
        tmp_path,
        lambda done: following.extras(done.error()) == wanted or lacks in done.error(),
    )


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The core alone at first; each message adds what it says."""
    folder = tmp_path_factory.mktemp("followed")
    yield Environment(folder / "environment", wheel, CORE)
    shutil.rmtree(folder)


@pytest.mark.parametrize("line", FOLLOWED)
def test_who_types_what_the_message_says_gets_what_was_asked_for(
    line: str, bare: Environment, places: dict[str, Path]
) -> None:
    words = typed(line, places)
    said: list[str] = []
    while (done := told(bare, words)) is not None:
        command = following.command(done.error())
        assert command is not None, done.err
        assert command not in said, f"was typed, and did not help: {done.err}"
        named = following.extras(done.error())
        if not named <= {*EXTRAS}:
            pytest.skip(f"needs {', '.join(sorted(named))}, which MOBILEO_INSTALLS leaves out")
        said.append(command)
        bare.install(command)


def told(there: Environment, words: list[str]) -> Finished | None:
    """What a command says that it lacks; None when it does what it is asked for."""
    if words[0] == "serve":
        return served(there, words)
    done = there(*words)
    if done.code == 2:
        return done
    assert done.code == 0, done.err
    return None


def served(there: Environment, words: list[str]) -> Finished | None:
    """As :func:`told`, of a program that goes on until it is interrupted: its page is fetched."""
    process = subprocess.Popen(
        [str(there.folder / "bin" / "mobileo-export"), *words, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=there.folder,
        env=there.variables(),
        preexec_fn=_heed_signals,  # noqa: PLW1509
    )
    assert process.stdout is not None
    for text in process.stdout:
        if text.startswith("open "):
            with urllib.request.urlopen(text.split()[1].partition("#")[0]) as answer:
                assert b"<html" in answer.read()
            process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 2), err
    return Finished(2, out, err) if process.returncode else None
