"""What a message tells to install, read as a user reads it: the command, and its extras."""

from __future__ import annotations

import re

# Arguments up to the words that follow: options, names, and what stands in quotes.
_INSTALL = re.compile(r"pip install((?: (?:'[^']+'|--?[a-z-]+|(?!in\b|or\b|and\b)[\w.=-]+))+)")


def command(message: str) -> str | None:
    """The installation that ``message`` names, as it can be typed; None if it names none."""
    found = _INSTALL.search(message)
    return f"pip install{found[1]}" if found else None


def extras(message: str) -> frozenset[str]:
    """Of a clone or a wheel, those that the command installs."""
    found = re.search(r"\[([a-z,]+)\]", command(message) or "")
    return frozenset(found[1].split(",")) if found else frozenset()
