"""Where the app's files lie, and how they are read."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
APP = "ios_app/App"
VIEWS = "ios_app/Sources/MobileOViews"


def swift(root: Path, *folders: str) -> Iterator[tuple[str, str]]:
    """Every Swift file below ``folders``: its path and text."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.swift")):
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def settings(path: Path) -> dict[str, str]:
    """The settings of a configuration file, those that it includes among them."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        code = line.split("//")[0].strip()
        include = re.fullmatch(r'#include(\?)? "([^"]+)"', code)
        if include and (include[1] is None or (path.parent / include[2]).exists()):
            found |= settings(path.parent / include[2])
        elif " = " in code:
            name, value = code.split(" = ", 1)
            found[name] = value
    return found


def plist(root: Path, name: str) -> dict[str, Any]:
    """A property list of the app, by its place in it."""
    found: dict[str, Any] = plistlib.loads((root / APP / name).read_bytes())
    return found
