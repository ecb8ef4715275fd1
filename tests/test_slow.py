"""The record of what takes long is of tests that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import SLOW

HERE = Path(__file__).parent


@pytest.mark.parametrize("start", SLOW)
def test_what_takes_long_is_there(start: str) -> None:
    place, _, function = start.partition("::")
    if not function:
        assert (HERE / place).is_dir() or (HERE / f"{place}.py").is_file()
    else:
        assert f"\ndef {function}" in (HERE / place).read_text(encoding="utf-8")


def test_the_longest_comes_first() -> None:
    assert list(SLOW.values()) == sorted(SLOW.values(), reverse=True)
