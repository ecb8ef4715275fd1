"""Where a bundle may be written, and what is left behind: with hostile folders and processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobileo_export.bundle import durable
from mobileo_export.bundle import workspace as module
from mobileo_export.bundle.workspace import (
    MARKER,
    NEW,
    RECORDS,
    Claim,
    check_output,
    claim,
    holds_finished,
    workspace,
)
from mobileo_export.errors import BundleError, UsageError
from tests.process_tree import alive, holds, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def manifest(tiny_bundle: Path) -> bytes:
    return (tiny_bundle / "manifest.json").read_bytes()


@pytest.fixture
def old(tmp_path: Path, manifest: bytes) -> Path:
    """A bundle of ours at ``out``."""
    output = tmp_path / "out"
    output.mkdir()
    (output / "manifest.json").write_bytes(manifest)
    (output / "weights").write_bytes(b"old")
    return output


def fill(folder: Path, manifest: bytes) -> None:
    (folder / "manifest.json").write_bytes(manifest)
    (folder / "weights").write_bytes(b"new")


@contextmanager
def claim_that_fails(output: Path) -> Iterator[Claim]:
    with pytest.raises(ValueError, match="stop"):  # noqa: SIM117, PT012
        with claim(output, overwrite=False) as claimed:
            yield claimed
            raise ValueError("stop")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_who_works_can_be_seen(tmp_path: Path, manifest: bytes) -> None:
    marker = module.partial_of(tmp_path / "out") / MARKER
    assert not holds(os.getpid(), marker)
    with workspace(tmp_path / "out", overwrite=False) as folder:
        fill(folder, manifest)
        assert holds(os.getpid(), marker)
    assert not holds(os.getpid(), marker)


def test_output_appears_whole_and_without_a_trace(tmp_path: Path, manifest: bytes) -> None:
    output = tmp_path / "deep" / "out"
    with workspace(output, overwrite=False) as folder:
        assert names(folder) == []
        fill(folder, manifest)
        assert not output.exists()
    assert names(output) == ["manifest.json", "weights"]
    assert names(output.parent) == ["out"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_when_the_work_fails(
    tmp_path: Path, manifest: bytes, error: type[BaseException]
) -> None:
    def work() -> None:
        with workspace(tmp_path / "out", overwrite=False) as folder:
            fill(folder, manifest)
            raise error

    with pytest.raises(error):
        work()
    assert names(tmp_path) == []


def test_a_folder_without_manifest_never_becomes_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no manifest"), workspace(tmp_path / "out", False):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_folder_is_left_alone(tmp_path: Path, overwrite: bool) -> None:
    output = tmp_path / "photos"
    output.mkdir()
    (output / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match="left alone"), workspace(output, overwrite):
        pass
    assert names(output) == ["holiday.jpg"]
    assert names(tmp_path) == ["photos"]


@pytest.mark.parametrize("text", ["{}", "not json", '{"format": "mobileo-bundle"}'])
def test_a_manifest_of_something_else_makes_no_bundle(tmp_path: Path, text: str) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match="left alone"):
        check_output(output, overwrite=True)


def test_an_empty_folder_may_be_filled(tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / "out").mkdir()
    with workspace(tmp_path / "out", overwrite=False) as folder:
        fill(folder, manifest)
    assert names(tmp_path) == ["out"]


def test_a_bundle_is_replaced_only_when_asked(old: Path, manifest: bytes) -> None:
    with pytest.raises(UsageError, match="--overwrite"), workspace(old, overwrite=False):
        pass
    assert (old / "weights").read_bytes() == b"old"
    with workspace(old, overwrite=True) as folder:
        fill(folder, manifest)
        assert (old / "weights").read_bytes() == b"old"
    assert (old / "weights").read_bytes() == b"new"
    assert names(old.parent) == ["out"]


def test_the_old_bundle_survives_a_failure(old: Path, manifest: bytes) -> None:
    def work() -> None:
        with workspace(old, overwrite=True) as folder:
            fill(folder, manifest)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert (old / "weights").read_bytes() == b"old"
    assert names(old.parent) == ["out"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("strike", [1, 2])
def test_the_old_bundle_survives_a_failure_between_the_renames(
    old: Path,
    manifest: bytes,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    strike: int,
) -> None:
    """The first rename moves the old bundle aside, the second the new one into its place."""
    rename, calls = Path.rename, iter(range(1, 10))

    def fail(source: Path, target: Path) -> Path:
        if next(calls) == strike:
            raise error("struck")
        return rename(source, target)

    monkeypatch.setattr(durable, "exchange", lambda left, right: False)

    def work() -> None:
        with workspace(old, overwrite=True) as folder:
            fill(folder, manifest)
            monkeypatch.setattr(Path, "rename", fail)

    with pytest.raises(error, match="struck"):
        work()
    assert (old / "weights").read_bytes() == b"old"
    assert names(old.parent) == ["out"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_the_way(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "out").write_bytes(b"x")
    with pytest.raises(UsageError, match="is a file"), workspace(tmp_path / "out", overwrite):
        pass
    with pytest.raises(UsageError, match="is a file"), workspace(tmp_path / "out/b/c", overwrite):
        pass
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_link_is_not_followed(old: Path, overwrite: bool) -> None:
    link = old.with_name("link")
    link.symlink_to(old)
    with pytest.raises(UsageError, match="symbolic link"), workspace(link, overwrite):
        pass
    link.unlink()
    link.symlink_to(old.with_name("nowhere"))
    with pytest.raises(UsageError, match="symbolic link"), workspace(link, overwrite):
        pass
    assert (old / "weights").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["/", "..", "."])
def test_a_path_without_a_name(name: str) -> None:
    with pytest.raises(UsageError, match="names no folder"):
        check_output(Path(name), overwrite=True)


def test_what_a_killed_export_left_is_cleared_away(tmp_path: Path, manifest: bytes) -> None:
    stale = tmp_path / "out.partial"
    (stale / NEW / "llm").mkdir(parents=True)
    (stale / NEW / "llm" / "half").write_bytes(b"x")
    (stale / "link").symlink_to(tmp_path)
    (stale / MARKER).write_bytes(b"")
    with workspace(tmp_path / "out", overwrite=False) as folder:
        assert names(folder) == []
        assert names(stale) == [MARKER, NEW]
        fill(folder, manifest)
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("name", [NEW, "finished", "work"])
def test_a_link_in_the_partial_folder_is_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.json").write_bytes(b"x")
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / MARKER).touch()
    (partial / name).symlink_to(tmp_path / "mine")
    with claim_that_fails(tmp_path / "out"):
        assert names(partial) == [MARKER]
    assert names(tmp_path / "mine") == ["thesis.json"]


def test_a_marker_that_is_a_link_is_not_ours(tmp_path: Path) -> None:
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (tmp_path / "mine").touch()
    (partial / MARKER).symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError, match="not ours"), workspace(tmp_path / "out", overwrite=False):
        pass


def finished_before(output: Path) -> Path:
    """A partial folder with the record of a finished artifact."""
    partial = output.with_name(output.name + ".partial")
    (partial / RECORDS).mkdir(parents=True)
    (partial / RECORDS / "mcp.json").write_text("{}")
    (partial / MARKER).touch()
    return partial


def test_finished_work_is_kept_when_a_claim_fails(tmp_path: Path) -> None:
    partial = finished_before(tmp_path / "out")
    with claim_that_fails(tmp_path / "out") as claimed:
        claimed.new.mkdir()
    assert names(partial) == [MARKER, RECORDS, NEW]
    assert holds_finished(tmp_path / "out")


def test_other_work_does_not_throw_finished_work_away(tmp_path: Path) -> None:
    partial = finished_before(tmp_path / "out")
    with pytest.raises(UsageError, match="finished artifacts"), workspace(tmp_path / "out", False):
        pass
    assert names(partial) == [MARKER, RECORDS]


def test_a_kill_between_the_two_renames_loses_nothing(old: Path) -> None:
    """Where folders cannot be swapped: the former bundle comes back."""
    partial = old.with_name("out.partial")
    partial.mkdir()
    (partial / MARKER).touch()
    old.rename(partial / "old")
    with pytest.raises(UsageError, match="--overwrite"), workspace(old, overwrite=False):
        pass
    assert names(old.parent) == ["out"]
    assert (old / "weights").read_bytes() == b"old"


def test_there_is_an_output_at_every_moment(
    old: Path, manifest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The swap is one step: nothing is renamed away first."""

    def fail(*arguments: object) -> None:
        raise AssertionError("renamed")

    with workspace(old, overwrite=True) as folder:
        fill(folder, manifest)
        monkeypatch.setattr(Path, "rename", fail)
    monkeypatch.undo()
    assert (old / "weights").read_bytes() == b"new"
    assert names(old.parent) == ["out"]


def test_the_lock_holds_as_long_as_a_process_that_inherited_it(
    tmp_path: Path, manifest: bytes
) -> None:
    """Whoever was started to write there may outlive the one who claimed it."""
    code = (
        "import os, subprocess, sys; from pathlib import Path\n"
        "from mobileo_export.bundle.workspace import claim\n"
        "with claim(Path(sys.argv[1]), False) as claimed:\n"
        "    child = subprocess.Popen(['sleep', '60'], pass_fds=[claimed.lock])\n"
        "    print(child.pid, flush=True); os._exit(0)\n"
    )
    output = tmp_path / "out"
    done = subprocess.Popen(
        [sys.executable, "-c", code, str(output)], stdout=subprocess.PIPE, text=True
    )
    assert done.stdout is not None
    child = int(done.stdout.readline())
    done.stdout.close()
    done.wait()
    with pytest.raises(UsageError, match="another export"), workspace(output, False):
        pass
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: not alive(child))
    with workspace(output, overwrite=False) as folder:
        fill(folder, manifest)
    done.stdout.close()


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_foreign_partial_is_left_alone(tmp_path: Path, kind: str) -> None:
    partial = tmp_path / "out.partial"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_bytes(b"x")
    if kind == "folder":
        (tmp_path / "mine").rename(partial)
    elif kind == "file":
        partial.write_bytes(b"x")
    else:
        (tmp_path / "mine" / MARKER).write_bytes(b"")
        partial.symlink_to(tmp_path / "mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="not ours"), workspace(tmp_path / "out", overwrite=True):
        pass
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is writing ``out`` and holds on until it is told to stop."""
    code = (
        "import sys; from pathlib import Path\n"
        "from mobileo_export.bundle.workspace import workspace\n"
        "with workspace(Path(sys.argv[1]), False) as folder:\n"
        "    (folder / 'half').write_text('x'); print('ready', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()  # closes its pipes too


def test_two_exports_into_one_folder(
    tmp_path: Path, other: subprocess.Popen[str], manifest: bytes
) -> None:
    output = tmp_path / "out"
    with pytest.raises(UsageError, match="another export"), workspace(output, overwrite=True):
        pass
    assert (tmp_path / "out.partial" / NEW / "half").exists()  # the first one's work is untouched
    other.kill()
    other.wait()
    with workspace(output, overwrite=False) as folder:  # a killed process holds no lock
        assert names(folder) == []
        fill(folder, manifest)
    assert names(tmp_path) == ["out"]


def test_an_output_that_appears_meanwhile_is_left_alone(tmp_path: Path, manifest: bytes) -> None:
    output = tmp_path / "out"

    def work() -> None:
        with workspace(output, overwrite=False) as folder:
            fill(folder, manifest)
            output.mkdir()
            (output / "thesis.tex").write_bytes(b"x")

    with pytest.raises(UsageError, match="left alone"):
        work()
    assert names(output) == ["thesis.tex"]
    assert names(tmp_path) == ["out"]
