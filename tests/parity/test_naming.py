"""What a checkpoint is called where its path is nobody's business."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobileo_export import assets
from mobileo_export.parity.naming import called

SNAPSHOT = "/home/me/.cache/huggingface/hub/models--Some--Model-1B/snapshots/0123456789abcdef"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (SNAPSHOT, "Some/Model-1B at 0123456"),
        (f"{SNAPSHOT}/final", "Some/Model-1B/final at 0123456"),
        ("released", "released"),
        ("/data/snapshots/released", "/data/snapshots/released"),  # as it was typed
    ],
)
def test_a_checkpoint_is_called_as_its_user_knows_it(path: str, name: str) -> None:
    assert called(Path(path)) == name


def test_the_shipped_one_has_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert called(assets.miniature()) == "miniature"
    link = tmp_path / "link"
    link.symlink_to(assets.miniature())
    assert called(link) == "miniature"
    monkeypatch.chdir(tmp_path)
    Path("miniature").mkdir()  # a folder of that name is another, and says so in its path
    assert called(Path("./miniature").resolve()) == str(tmp_path / "miniature")
