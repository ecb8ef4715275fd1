"""What ``--help`` shows: every command in its group, with an example that can be typed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import typer
import typer.main

from mobileo_export.cli import component_options, help_table, main
from mobileo_export.components import ALIASES, COMPONENTS, NAMED, select
from mobileo_export.jetson.cli import main as board
from tests.command import PROGRAM
from tests.terminal import WIDTHS

if TYPE_CHECKING:
    from tests.command import Command

_SENTENCE = re.compile(r"^[A-Z0-9].*[.\])]$", re.DOTALL)


def commands(app: typer.Typer) -> dict[str, Any]:
    found: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return found


COMMANDS = commands(main.app)
EXAMPLES = [
    (name, example) for name, examples in help_table.EXAMPLES.items() for example in examples
]


def test_every_command_has_a_group_and_an_example() -> None:
    grouped = [name for names in help_table.GROUPS.values() for name in names]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) >= commands(board.app).keys()
    assert set(grouped) >= COMMANDS.keys(), "add it to GROUPS of cli/help_table.py"
    assert help_table.EXAMPLES.keys() >= COMMANDS.keys(), "add it to EXAMPLES of help_table.py"


def test_what_has_no_group_is_shown_all_the_same(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(help_table, "GROUPS", {"Begin": ("demo",)})
    shown = command("--help").out
    assert re.search(r"(?m)^Others:\n  export ", shown)


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_can_be_typed(name: str, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its words are those of the command; it fits into a line of 60 columns."""
    for line in example.splitlines():
        assert len(f"  {line}") <= 60, line
    if name not in COMMANDS:
        return
    calls = [call for call in example.replace("\\\n", "").split("|") if "mobileo-export" in call]
    for call in calls:
        words = shlex.split(call)
        assert words[:2] == ["mobileo-export", name]
        COMMANDS[name].make_context(name, words[2:])


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_a_command(command: Command, name: str) -> None:
    shown = command(name, "-h")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == command(name, "--help").out
    assert help_table.EXAMPLES[name][0].splitlines()[0] in shown.out
    plain = re.sub(r"[\d<>=]*x[<>=\d]+", "", shown.out)  # a range of numbers
    assert not re.search(r"[<>{}]", plain), "a metavariable that is no plain word"
    assert COMMANDS[name].help.strip().endswith(".")
    for parameter in COMMANDS[name].params:
        if parameter.help and not getattr(parameter, "hidden", False):
            assert _SENTENCE.match(parameter.help.strip()), f"{name} {parameter.name}"


@pytest.mark.parametrize("app", [main.app, board.app])
def test_every_command_takes_the_short_form(app: typer.Typer) -> None:
    for name, found in commands(app).items():
        context = found.make_context(name, [], resilient_parsing=True)
        assert "-h" in context.help_option_names or found.name, name


@pytest.mark.parametrize("width", WIDTHS)
def test_help_cuts_no_word(command: Command, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for name in ("", *COMMANDS):
        for line in command(*filter(None, [name]), "--help").out.splitlines():
            assert len(line) <= width, f"{name}: {line}"
            assert not line.endswith("-"), f"{name}: {line}"
            assert "..." not in line.replace("[ARGS]...", "").replace("QUESTION...", ""), name


def test_options_of_a_long_list_are_grouped(command: Command) -> None:
    shown = command("export", "--help").out
    for title in ("Options", "Language model", "Checkpoint", "Work", "What is printed"):
        assert f"\n{title}:\n" in shown
    assert shown.index("--llm-bits") > shown.index("Language model:")
    assert "Work:" not in command("inspect", "--help").out


def test_variables_and_exit_codes_are_told(command: Command) -> None:
    shown = " ".join(command("--help").out.split())
    for name, text in (*help_table.ENVIRONMENT.items(), *help_table.EXIT_CODES.items()):
        assert f"{name} {text}" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown_and_works(shell: str) -> None:
    asked = {"_MOBILEO_EXPORT_COMPLETE": f"source_{shell}"}
    shown = subprocess.run(
        [PROGRAM], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert "mobileo-export" in shown.stdout
    if shell == "bash":
        asked = {
            "_MOBILEO_EXPORT_COMPLETE": "complete_bash",
            "COMP_WORDS": "mobileo-export ver",
            "COMP_CWORD": "1",
        }
        done = subprocess.run(
            [PROGRAM], env={**os.environ, **asked}, capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == ["verify"]


def test_components_have_the_names_of_their_files_too(command: Command) -> None:
    assert component_options.NAMED == NAMED
    assert ALIASES == {"connector": "mcp", "transformer": "dit"}
    assert [spec.name for spec in select("transformer, connector,dit")] == ["mcp", "dit"]
    for name in ("export", "verify", "explain", "run"):
        shown = " ".join(command(name, "--help").out.split())
        assert "mcp (or connector), dit (or transformer)" in shown, name
    assert set(COMPONENTS) == {spec.name for spec in select(None)}


@pytest.mark.parametrize(
    "call",
    [
        "export X -o y",
        "verify bundle --checkpoint miniature",
        "explain bundle --checkpoint miniature",
    ],
)
def test_one_option_names_components(command: Command, call: str) -> None:
    for option in ("--only", "--component"):
        for spelled in (f"{option} nose", f"{option}=nose"):
            done = command(*call.split(), *spelled.split())
            assert done.code == 2
            if call.startswith("export"):  # which looks at the components first
                assert "unknown component 'nose'" in done.error()
    done = command(*call.split(), "--only", "mcp", "--component=dit")
    assert done.error() == "--only and --component are one option: give one of them"
    assert "--component" not in command(call.partition(" ")[0], "--help").out


def test_no_command_has_its_own_option_for_components() -> None:
    for name, found in {**COMMANDS, **commands(board.app)}.items():
        options = {
            option for p in found.params if p.param_type_name == "option" for option in p.opts
        }
        assert "--component" not in options, f"{name}: call it --only, see cli/component_options.py"


def test_sets_of_evaluate_are_no_components(command: Command) -> None:
    assert "no such option" in command("evaluate", "b", "--component", "draw").err.lower()
