"""What no Swift source of the app may have."""

from __future__ import annotations

import re
from pathlib import Path

from tests import swift_literals
from tests.ios_project.places import APP, VIEWS, swift

_TRAPS = re.compile(
    r"\b(?:fatalError|preconditionFailure|precondition|assertionFailure|assert|abort)\s*\("
    r"|\btry!|\bas!|unsafelyUnwrapped|[\w\])}\"]!(?!=)"
)


def sources(root: Path) -> list[str]:
    """Nothing traps on purpose, no size is fixed, and the UI tests look for what the views have."""
    problems, ids = [], set()
    for path, text in swift(root, VIEWS, APP):
        literals, code = swift_literals.read(text)
        if "UITests/" in path:
            continue
        for number, line in enumerate(code.splitlines(), 1):
            if trap := _TRAPS.search(line):
                problems.append(f"{path}:{number}: {trap[0]}")
            if re.search(r"\.frame\((?:width|height):|\.font\(\.system\(size", line):
                problems.append(f"{path}:{number}: a size that larger type does not fit")
        ids |= {
            found.key for found in literals if found.before.endswith("accessibilityIdentifier(")
        }
    for path, text in swift(root, f"{APP}/MobileOUITests"):
        for literal in swift_literals.read(text)[0]:
            if re.search(r"\.?(?:button|element)\($", literal.before) and not any(
                literal.key == found or (found.endswith(".") and literal.key.startswith(found))
                for found in ids
            ):
                problems.append(f"{path}:{literal.line}: no view is called {literal.key!r}")
    return problems
