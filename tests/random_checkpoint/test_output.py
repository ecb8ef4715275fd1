"""Where a random checkpoint may be written, and what is left behind when it is not."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.errors import UsageError
from mobileo_export.random_checkpoint import weights as random_weights
from mobileo_export.random_checkpoint import write as random_checkpoint

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_in_use_is_refused(tiny_copy: Path) -> None:
    before = sorted(tiny_copy.rglob("*"))
    with pytest.raises(UsageError, match="exists and is not an empty folder"):
        random_checkpoint.write(tiny_copy, "tiny")
    with pytest.raises(UsageError, match="exists and is not an empty folder"):
        random_checkpoint.write(tiny_copy / "config.json", "tiny")
    assert sorted(tiny_copy.rglob("*")) == before
    assert not tiny_copy.with_name("tiny.partial").exists()


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    random_checkpoint.write(tmp_path / "empty", "tiny", nested=False)
    random_checkpoint.write(tmp_path / "a" / "b", "tiny", nested=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "empty"]


def test_a_relative_output_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path as RealPath

    monkeypatch.chdir(tmp_path)
    random_checkpoint.write(RealPath("here"), "tiny", nested=False)
    assert (tmp_path / "here" / "config.json").is_file()


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    output = tmp_path / "tiny"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from mobileo_export.random_checkpoint import write as random_checkpoint\n"
        "kill = lambda *event: os.kill(os.getpid(), signal.SIGKILL)\n"
        "random_checkpoint.write(Path(sys.argv[1]), 'tiny', progress=kill)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(output)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.partial"]
    random_checkpoint.write(output, "tiny", nested=False)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_two_runs_at_once_do_not_meet(tmp_path: Path) -> None:
    def second(*event: object) -> None:
        with pytest.raises(UsageError, match="another random-checkpoint is writing it"):
            random_checkpoint.write(tmp_path / "tiny", "tiny", nested=False)

    random_checkpoint.write(tmp_path / "tiny", "tiny", nested=False, progress=second)


def test_what_somebody_else_left_is_not_touched(tmp_path: Path) -> None:
    partial = tmp_path / "tiny.partial"
    partial.mkdir()
    (partial / "precious").write_text("")
    with pytest.raises(UsageError, match=r"tiny\.partial: exists and is not ours"):
        random_checkpoint.write(tmp_path / "tiny", "tiny")
    assert (partial / "precious").exists()
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize("failure", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    real = random_weights.values

    def values(seed: int, name: str, *rest: Any) -> Any:
        if name == "model.norm.weight":
            raise failure
        return real(seed, name, *rest)

    monkeypatch.setattr(random_weights, "values", values)
    with pytest.raises(type(failure)):
        random_checkpoint.write(tmp_path / "tiny", "tiny")
    assert list(tmp_path.iterdir()) == []


def test_a_small_disk_is_noticed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**10, 7 * 10**9, 3 * 10**9))
    with pytest.raises(UsageError, match=r"3\.00 GB free, the checkpoint takes 4\.84 GB; free"):
        random_checkpoint.write(tmp_path / "big", "0.5b")
    assert list(tmp_path.iterdir()) == []
    random_checkpoint.write(tmp_path / "tiny", "tiny")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "7b"}, "unknown variant '7b'; choose from 0.5b, 1.5b, tiny"),
        ({"mcp_layers": 0}, "mcp_layers is 0; tiny has 32 layers at most, choose 1 to 32"),
        ({"mcp_layers": 33}, "mcp_layers is 33; tiny has 32 layers at most, choose 1 to 32"),
        ({"variant": "0.5b", "mcp_layers": 25}, "mcp_layers is 25; 0.5b has 24 layers at most"),
        ({"refinement_blocks": -1}, "refinement_blocks is -1; choose 0 to 64"),
    ],
)
def test_an_option_out_of_range_is_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        random_checkpoint.write(tmp_path / "x", **{"variant": "tiny", **options})
    assert list(tmp_path.iterdir()) == []
