"""Where commands write: what is no place for a file is known before the work."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobileo_export.cli import outputs
from mobileo_export.errors import UsageError


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    for path, reason in (
        (tmp_path / "out.jpg", "name a .png file"),
        (tmp_path / "folder.png", "is a folder"),
        (tmp_path / "absent" / "out.png", "no such folder"),
        (tmp_path / "file" / "out.png", "is a file, no other fits below it"),
    ):
        with pytest.raises(UsageError, match=reason):
            outputs.check_file(path, ".png")
    outputs.check_file(tmp_path / "out.png", ".png")
    outputs.check_file(tmp_path / "out.JPG", ".png", ".jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_picture_is_written_where_its_suffix_or_a_pipe_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "a.jpg", "a.jpeg", "a.webp", "a.PNG"):
        outputs.check_picture(tmp_path / name)
    for name in ("a.gif", "a", "a.jpg.txt"):
        with pytest.raises(UsageError, match=r"name a \.png, \.jpg, \.jpeg or \.webp file"):
            outputs.check_picture(tmp_path / name)
    outputs.check_picture(Path("-"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(UsageError, match="this terminal"):
        outputs.check_picture(Path("-"))
