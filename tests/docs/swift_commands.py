"""The commands of the Swift package's program, read from its sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "ios_app" / "Sources" / "Command"
_TYPE = re.compile(r"^( *)(?:enum|struct) (\w+)[^{\n]*\{\n(.*?)^\1\}", re.MULTILINE | re.DOTALL)
_OPTIONS = re.compile(r"static let options\b(.*?)(?=static |\Z)", re.DOTALL)
_NAMES = re.compile(r"Arguments\.Option\(\s*((?:\"--?[\w-]+\",?\s*)+)")


def render() -> str:
    """The section of the page."""
    rows = []
    for name, summary, usage, options in commands():
        typed = " ".join(filter(None, ("mobileo", name, usage)))
        rows.append(f"| `{typed}` | {summary} | {', '.join(f'`{o}`' for o in options)} |\n")
    return (
        "## mobileo\n\nThe program of the Swift package, built by `swift build`; `mobileo COMMAND "
        "--help` says what each option does, `--help` goes with all.\n\n"
        "| command | | options |\n|---|---|---|\n" + "".join(rows)
    )


def commands() -> Iterator[tuple[str, str, str, list[str]]]:
    """Name, summary, arguments and options of each, in the order of its ``--help``."""
    text = "\n".join(p.read_text(encoding="utf-8") for p in sorted(SOURCES.glob("*.swift")))
    bodies: dict[str, str] = {}
    for _, kind, body in _TYPE.findall(text):
        bodies.setdefault(kind, body)  # on a Mac, where a source has two
    listed = re.search(r"commands: \[any Command\.Type\] = \[(.*?)\]", text, re.DOTALL)
    assert listed is not None
    for kind in re.findall(r"(\w+)\.self", listed[1]):
        body = bodies[kind]
        named = {
            field: re.search(rf'static let {field} =\s+"([^"]*)"', body)
            for field in ("name", "summary", "usage")
        }
        name, summary, usage = (found[1] if found else "" for found in named.values())
        assert name, kind
        assert summary, kind
        yield name, summary, usage, list(_options(bodies, kind))


def _options(bodies: dict[str, str], kind: str) -> Iterator[str]:
    """Of a command, those that it shares with others where its source names them."""
    for body in _OPTIONS.findall(bodies[kind]):
        for names, shared in re.findall(rf"{_NAMES.pattern}|(\w+)\.options\b", body):
            yield from _options(bodies, shared) if shared else re.findall(r"--[\w-]+", names)[:1]
