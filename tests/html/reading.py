"""A page read from its top."""

from __future__ import annotations

from collections.abc import Sequence


def in_order(page: str, texts: Sequence[str]) -> None:
    """Each text stands on the page, after the one before it."""
    place = page.index("<body>")
    for text in texts:
        found = page.find(text, place)
        assert found >= 0, f"{text!r} is not on the page, or before what it should follow"
        place = found + len(text)
