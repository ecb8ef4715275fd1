"""Writing through and swapping, on a real file system."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from mobileo_export.bundle import durable

if TYPE_CHECKING:
    from pathlib import Path


def test_a_text_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")
    durable.write_text(path, "new ü")
    assert path.read_text(encoding="utf-8") == "new ü"
    assert list(tmp_path.iterdir()) == [path]


def test_the_data_is_on_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    seen: list[tuple[bool, bool]] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        seen.append((path.exists(), os.path.samestat(os.fstat(descriptor), tmp_path.stat())))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    durable.write_text(path, "text")
    assert seen == [(False, False), (True, True)]  # the file, the rename, the folder


def test_a_failed_write_leaves_the_old_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")

    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output"):
        durable.write_text(path, "new")
    assert path.read_text() == "old"


def test_a_tree_is_synchronised_from_the_leaves_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("x")
    (tmp_path / "a" / "link").symlink_to("/nowhere")
    seen: list[Path] = []
    monkeypatch.setattr(durable, "sync_path", seen.append)
    durable.sync_tree(tmp_path)
    assert seen == [tmp_path / "a/b/file", tmp_path / "a/b", tmp_path / "a", tmp_path]


def test_two_folders_are_swapped(tmp_path: Path) -> None:
    left, right = tmp_path / "left", tmp_path / "right"
    left.mkdir()
    right.mkdir()
    (left / "l").touch()
    if not durable.exchange(left, right):
        pytest.skip("this file system cannot swap")
    assert (right / "l").exists()
    assert not (left / "l").exists()


def test_a_swap_with_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "left").mkdir()
    with pytest.raises(FileNotFoundError):
        durable.exchange(tmp_path / "left", tmp_path / "right")
