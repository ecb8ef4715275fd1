"""The texts that the programs can print, as templates: ``{}`` where a value stands."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PYTHON = ("mobileo_export", "converters", "jetson", "parity_tests")
_SWIFT = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


@cache
def templates() -> tuple[str, ...]:
    """Every text of the Python and Swift sources and of the Makefile, parts put together."""
    found = [text for folder in _PYTHON for path in (ROOT / folder).rglob("*.py")
             for text in _python(path)]  # fmt: skip
    for path in (ROOT / "ios_app" / "Sources").rglob("*.swift"):
        found += swift(path.read_text(encoding="utf-8"))
    return (*found, (ROOT / "Makefile").read_text(encoding="utf-8"))


def says(message: str) -> bool:
    """Whether a source has ``message``; ``…`` in it stands for anything."""
    parts = [part.strip() for part in message.split("…")]
    return any(_in_order(parts, text) for text in templates())


def _in_order(parts: list[str], text: str) -> bool:
    place = 0
    for part in parts:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _python(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
            found.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


def swift(text: str) -> list[str]:
    """Literals that a plus sign joins are one; what is interpolated is a value."""
    text = re.sub(r"\\\((?:[^()]|\([^()]*(?:\([^()]*\)[^()]*)*\))*\)", "{}", text)
    text = re.sub(r'"\s*\n?\s*\+ "', "", text)
    return _SWIFT.findall(text)
