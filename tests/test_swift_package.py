"""What the Swift package has of the Python package is what the Python package has today."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent / "ios_app" / "Tests" / "Python"
sys.path.insert(0, str(SCRIPTS))

import tables  # noqa: E402


def test_generated_sources_are_up_to_date() -> None:
    for name, text in tables.swift().items():
        found = (tables.SOURCES / name).read_text(encoding="utf-8")
        assert found == text, f"{name}: run python ios_app/Tests/Python/tables.py"
