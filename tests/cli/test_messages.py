"""Whatever a message tells to type can be typed: commands, their options, extras, packages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer.main

from mobileo_export.cli import main
from mobileo_export.jetson.cli import main as board
from mobileo_export.processes import extras
from tests.test_house import files

PROGRAMS = {"mobileo-export": main.app, "mobileo-jetson": board.app}
# A program of ours, its command, and what follows up to the end of the sentence.
_CALL = re.compile(r"\b(mobileo-export|mobileo-jetson) ([a-z][a-z-]*)((?: [^;,:()`]+)?)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
# Words that follow our name where no command is meant.
_PROSE = {"and", "does", "from", "itself", "let", "on", "version"}
# Options of other programs: that messages tell to type, or that we start.
_OTHERS = {
    "--force-reinstall", "--interval", "--now", "--parent", "--preload", "--reinstall", "--show",
    "--system-site-packages", "--host", "--token", "--bundle", "--pyargs",
    "--component",  # the other name of --only
    "--version", "--install-completion", "--show-completion",  # of the program itself
}  # fmt: skip


@cache
def commands(program: str) -> dict[str, set[str]]:
    """The options of each command; that of components has two names."""
    found: dict[str, Any] = typer.main.get_command(PROGRAMS[program]).commands  # type: ignore[attr-defined]
    return {
        name: {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        for name, command in found.items()
    }


def texts() -> Iterator[tuple[str, str]]:
    """Every text of the package, with where it stands; what is filled in is ``X``."""
    for module, path in files().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                inside |= {id(part) for part in node.values}
                parts = (
                    str(part.value) if isinstance(part, ast.Constant) else "X"
                    for part in node.values
                )
                yield f"{module}:{node.lineno}", "".join(parts)
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in inside
            ):
                yield f"{module}:{node.lineno}", node.value


TEXTS = list(texts())


def test_commands_in_messages_exist_with_their_options() -> None:
    seen = 0
    for where, text in TEXTS:
        for program, command, rest in _CALL.findall(" ".join(text.split())):
            if command in _PROSE:
                continue
            known = commands(program)
            assert command in known, f"{where}: there is no {program} {command}"
            for option in _OPTION.findall(rest):
                assert option in known[command], f"{where}: {command} has no {option}"
            seen += 1
    assert seen > 10


def test_options_in_messages_exist() -> None:
    every = {
        option for program in PROGRAMS for names in commands(program).values() for option in names
    }
    for where, text in TEXTS:
        for option in _OPTION.findall(text):
            assert option in every | _OTHERS, f"{where}: no command has {option}"


def test_extras_in_messages_exist() -> None:
    """Those of ``processes.extras``, which makes the messages, are those of the metadata."""
    for where, text in TEXTS:
        for names in re.findall(r"\.\[([a-z,]+)\]", text):
            assert set(names.split(",")) <= extras.MODULES.keys(), where


@pytest.mark.parametrize("extra", [name for name in extras.MODULES if name])
def test_what_an_extra_is_said_to_bring_it_brings(extra: str) -> None:
    from importlib import metadata

    required = [
        re.split(r"[^\w.-]", text, maxsplit=1)[0].lower().replace("_", "-")
        for text in metadata.requires("mobileo-export") or ()
        if f'extra == "{extra}"' in text or f"extra == '{extra}'" in text
    ]
    for module in extras.MODULES[extra]:
        assert module.replace("_", "-").lower() in required, f"{extra} does not bring {module}"
