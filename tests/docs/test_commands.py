"""docs/commands.md is what the commands are; and nothing else than them is read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from mobileo_export.errors import CheckFailedError, MobileoError
from tests.docs import commands, swift_commands
from tests.docs.environment import VARIABLES

ROOT = Path(__file__).parents[2]
_SWIFT = re.compile(r'environment\["(\w+)"\]')


def test_the_page_is_that_of_the_commands() -> None:
    assert commands.PAGE.read_text(encoding="utf-8") == commands.render(), (
        "write it anew: python -m tests.docs.commands"
    )


@pytest.mark.parametrize("app", commands.PROGRAMS, ids=lambda app: str(app.info.name))
def test_every_option_is_on_it(app: typer.Typer) -> None:
    """As the library itself reads them, whatever this page's reader makes of the signatures."""
    text = commands.PAGE.read_text(encoding="utf-8")
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        section = text.split(f"\n### {app.info.name} {name}\n")[1].split("\n## ")[0]
        section = section.split("\n### ")[0]
        shown = {o for p in command.params for o in p.opts if p.param_type_name == "option"}
        shown -= {"--help", "-h"}
        found = re.findall(r"^\| (`-.*?) \|", section, re.MULTILINE)
        assert shown <= set(re.findall(r"`(--?[\w-]+)`", " ".join(found))), name


def test_every_command_of_the_swift_program_is_on_it() -> None:
    text = "\n".join(p.read_text(encoding="utf-8") for p in swift_commands.SOURCES.glob("*.swift"))
    named = set(re.findall(r'static let name = "(\w+)"', text))
    found = {name: options for name, _, _, options in swift_commands.commands()}
    assert set(found) == named
    assert {"--output", "--seed", "--host", "--json"} <= set(found["generate"])
    assert {"--device", "--host", "--output"} <= set(found["replay"])
    typed = set(re.findall(r'Arguments\.Option\(\s*"(--[\w-]+)"', text)) - {"--help"}
    assert typed == {option for options in found.values() for option in options}


def test_exit_codes_are_those_of_the_errors() -> None:
    text = commands.PAGE.read_text(encoding="utf-8")
    section = text.split("## Exit codes")[1].split("\n## ")[0]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    kinds: list[type[MobileoError]] = [MobileoError, *MobileoError.__subclasses__()]
    raised = {kind.exit_code for kind in kinds}
    assert raised == {CheckFailedError.exit_code, MobileoError.exit_code} == {1, 2}
    assert codes == raised | {0, 130}


def read() -> Iterator[tuple[str, str]]:
    """Variable and file of each place in the sources that reads the environment."""
    for folder in ("mobileo_export", "converters", "jetson", "parity_tests"):
        for path in (ROOT / folder).rglob("*.py"):
            file = path.relative_to(ROOT).as_posix()
            for name in variables(path.read_text(encoding="utf-8")):
                yield name, file
    for folder in ("Sources", "App"):
        for path in (ROOT / "ios_app" / folder).rglob("*.swift"):
            for name in _SWIFT.findall(path.read_text(encoding="utf-8")):
                yield name, path.relative_to(ROOT).as_posix()


def variables(source: str) -> set[str]:
    """Those that a file asks for by name; fails where it cannot be told which one that is."""
    tree = ast.parse(source)
    places = sum(_is_environment(node) for node in ast.walk(tree))
    found: set[str] = set()
    for node in ast.walk(tree):
        name: ast.expr | None = None
        if isinstance(node, ast.Subscript) and _is_environment(node.value):
            name = node.slice
        elif isinstance(node, ast.Compare) and _is_environment(node.comparators[0]):
            name = node.left
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if _is_environment(node.func.value):
                if node.func.attr in {"items", "copy"}:
                    places -= 1
                    continue
                name = node.args[0]
        elif isinstance(node, ast.Dict):  # what a child process is given
            places -= sum(key is None and _is_environment(value)
                          for key, value in zip(node.keys, node.values, strict=True))  # fmt: skip
        if name is not None:
            places -= 1
            found.add(_named(name, source))
    assert places == 0, "the environment is used in a way that this test does not know"
    assert "getenv" not in source
    return found


def _is_environment(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def _named(name: ast.expr, source: str) -> str:
    """The variable that an expression stands for: a text, or one of our constants."""
    if isinstance(name, ast.Constant):
        return str(name.value)
    constants = {"debug.VARIABLE": "MOBILEO_DEBUG", "guard.VARIABLE": "MOBILEO_TOKEN"}
    own = re.search(r'^VARIABLE = "(\w+)"', source, re.MULTILINE)
    return constants.get(ast.unparse(name)) or (own[1] if own else ast.unparse(name))


def test_a_variable_is_found_however_it_is_read() -> None:
    source = "import os\nos.environ['A'], os.environ.get('B', ''), 'C' in os.environ"
    assert variables(source) == {"A", "B", "C"}
    assert variables("import os\nx = {**os.environ, 'D': '1'}") == set()
    with pytest.raises(AssertionError, match="does not know"):
        variables("import os\nx = os.environ")


def test_every_variable_that_is_read_is_on_it() -> None:
    found = set(read())
    assert {name for name, _ in found} <= {v.name for v in VARIABLES}
    assert {(v.name, file) for v in VARIABLES for file in v.files} <= found
    text = commands.PAGE.read_text(encoding="utf-8")
    assert all(f"| `{v.name}` |" in text for v in VARIABLES)
    assert not {v.name for v in VARIABLES if v.name.startswith("MOBILEO") and not v.files}


def test_the_constants_are_what_the_page_takes_them_for() -> None:
    from mobileo_export.processes import debug
    from mobileo_export.serve import guard

    assert (debug.VARIABLE, guard.VARIABLE) == ("MOBILEO_DEBUG", "MOBILEO_TOKEN")
