"""What pages call the judged sets and their categories."""

from __future__ import annotations

SUITES = {"draw": "Drawn", "edit": "Edited", "ask": "Answered", "chat": "Remembered"}
CATEGORIES = {
    "single_object": "One object, at a place",
    "two_objects": "Two objects",
    "counting": "Counting",
    "colors": "Colors",
    "position": "Position",
    "color_attribution": "Which is of which color",
    "name": "A name",
    "liking": "What somebody likes",
}


def category(name: str) -> str:
    """The title of a category; one without any is its own."""
    return CATEGORIES.get(name, name.capitalize())
