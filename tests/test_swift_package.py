"""What the Swift package has of the Python package is what the Python package has today."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "ios_app" / "Tests" / "Python"
sys.path.insert(0, str(SCRIPTS))

import tables  # noqa: E402


def test_generated_sources_are_up_to_date() -> None:
    for name, text in tables.swift().items():
        found = (tables.SOURCES / name).read_text(encoding="utf-8")
        assert found == text, f"{name}: run python ios_app/Tests/Python/tables.py"


def test_every_test_that_the_docs_name_is_there() -> None:
    table = (ROOT / "docs" / "ios.md").read_text(encoding="utf-8").split("## Beside")[1]
    rows = [line.rsplit("|", 2)[1] for line in table.splitlines() if line.startswith("| ")][1:]
    named = [re.findall(r"`(\w+)`", row) for row in rows]
    assert len(rows) >= 13
    assert all(named), "a difference that no test holds"
    tests = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "ios_app/Tests").rglob("*.swift")
    )
    missing = {name for names in named for name in names if f"func {name}(" not in tests}
    assert not missing
