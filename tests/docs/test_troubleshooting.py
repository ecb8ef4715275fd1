"""Every message that docs/troubleshooting.md quotes is one that a source has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import sources

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
QUOTED = re.findall(r"^\| `([^`]+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_there_are_messages() -> None:
    assert len(QUOTED) > 30
    assert len(set(QUOTED)) == len(QUOTED)


@pytest.mark.parametrize("message", QUOTED)
def test_a_source_has_the_message(message: str) -> None:
    assert len(re.sub(r"[…\W]", "", message)) >= 5
    assert sources.says(message.removeprefix("error: "))


def test_a_message_that_nobody_has_is_found() -> None:
    assert not sources.says("…: the moon is in the way; wait for it")
    assert not sources.says("use --overwrite to replace it; …: exists")
