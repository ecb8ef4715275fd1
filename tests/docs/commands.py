"""``python -m tests.docs.commands`` writes docs/commands.md from the commands themselves."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Iterator
from inspect import Parameter, cleandoc
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import typer

from mobileo_export.cli import main, parameters
from mobileo_export.jetson.cli import main as jetson_main
from tests.docs import swift_commands
from tests.docs.environment import VARIABLES

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
PROGRAMS = (main.app, jetson_main.app)
_INTRODUCTION = """\
# Every command, option, variable and exit code

Written from the commands by `python -m tests.docs.commands`; a test keeps it true. The same is in
`--help` of each. Three programs have the same words: `mobileo-export` on a desk machine,
[`mobileo-jetson`](#mobileo-jetson) on the board, and [`mobileo`](#mobileo) from the Swift package.
"""
_EXIT_CODES = """\
## Exit codes

| code | meaning |
|---|---|
| 0 | fine |
| 1 | a check ran and did not hold: a gate, a seal, a difference that `diff` found |
| 2 | it could not run: a wrong option, a file that is missing or damaged, no memory, no package |
| 130 | interrupted by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP |

An error is one line on standard error that begins with `error:` and says what to do next. With
`--json` results are on standard output, and nothing else is.
"""


def render() -> str:
    """The page."""
    parts = [_INTRODUCTION, _EXIT_CODES, _variables()]
    for app in PROGRAMS:
        parts += [f"## {app.info.name}\n\n{_overview(app)}", *_commands(app)]
    parts.append(swift_commands.render())
    return "\n".join(parts)


def commands(app: typer.Typer) -> Iterator[tuple[str, Callable[..., None]]]:
    """Name and function of every command, in the order of ``--help``."""
    for registered in app.registered_commands:
        assert registered.name is not None
        assert registered.callback is not None
        yield registered.name, registered.callback


def options(command: Callable[..., None]) -> Iterator[str]:
    """The long names of a command's options, as they are typed."""
    for parameter, _, info in _read(command):
        if not isinstance(info, typer.models.ArgumentInfo):
            yield from (name for name in _names(parameter, info) if name.startswith("--"))


def _variables() -> str:
    rows = [f"| `{v.name}` | {v.meaning} | {v.read} |" for v in VARIABLES]
    return "## Environment variables\n\n| variable | | read by |\n|---|---|---|\n" + _lines(rows)


def _overview(app: typer.Typer) -> str:
    rows = []
    for name, command in commands(app):
        title = f"{app.info.name} {name}"
        first = _first(cleandoc(command.__doc__ or ""))
        rows.append(f"| [`{name}`](#{title.replace(' ', '-')}) | {_cell(first)} |")
    return f"{_cell(app.info.help or '')}\n\n| command | |\n|---|---|\n" + _lines(rows)


def _commands(app: typer.Typer) -> Iterator[str]:
    for name, command in commands(app):
        found = list(_read(command))
        arguments = [f for f in found if isinstance(f[2], typer.models.ArgumentInfo)]
        named = [f for f in found if not isinstance(f[2], typer.models.ArgumentInfo)]
        words = [_argument(parameter, info) for parameter, _, info in arguments]
        usage = " ".join([app.info.name or "", name, *words, "[OPTIONS]"])
        rows = [
            f"| `{word}` | {_sentence(info)}{_default(parameter)} |"
            for word, (parameter, _, info) in zip(words, arguments, strict=True)
        ]
        rows += [
            f"| {_spelled(parameter, kind, info)} | {_sentence(info)}{_default(parameter)} |"
            for parameter, kind, info in named
        ]
        text = cleandoc(command.__doc__ or "")
        table = "| | |\n|---|---|\n" + _lines(rows)
        yield f"### {app.info.name} {name}\n\n    {usage}\n\n{text}\n\n{table}"


def _read(command: Callable[..., None]) -> Iterator[tuple[Parameter, Any, Any]]:
    """Parameter, type and typer's description of each; what is hidden is left out."""
    for parameter in parameters.of(command):
        kind, *notes = get_args(parameter.annotation)
        info = next(n for n in notes if isinstance(n, typer.models.ParameterInfo))
        if not info.hidden:
            yield parameter, kind, info


def _names(parameter: Parameter, info: Any) -> list[str]:
    """The spellings of an option, its long name first."""
    dashed = parameter.name.replace("_", "-")
    # Within Annotated, typer has the first name where a default would be.
    texts = [text for text in (info.default, *(info.param_decls or ())) if isinstance(text, str)]
    given = [name for text in texts for name in text.split("/") if name.startswith("-")]
    if given:
        return sorted(given, key=lambda name: not name.startswith("--"))
    is_switch = isinstance(parameter.default, bool)
    return [f"--{dashed}", f"--no-{dashed}"] if is_switch else [f"--{dashed}"]


def _spelled(parameter: Parameter, kind: Any, info: Any) -> str:
    """Such as ``--output`` ``-o`` PATH."""
    value = "" if isinstance(parameter.default, bool) else _choices(info.metavar) or _value(kind)
    names = ", ".join(f"`{name}`" for name in _names(parameter, info))
    return f"{names} {value}".rstrip()


def _argument(parameter: Parameter, info: Any) -> str:
    """Such as BUNDLE; what may be left out stands in brackets."""
    name = info.metavar or parameter.name.upper()
    several = "…" if get_origin(get_args(parameter.annotation)[0]) in {list, tuple} else ""
    required = parameter.default is Parameter.empty
    return f"{name}{several}" if required else f"[{name}{several}]"


def _choices(metavar: str | None) -> str:
    """What a command says of its value itself; a bar would end a cell."""
    named = (metavar or "").split("|")
    return " ".join(f"`{name}`" for name in named) if len(named) > 1 else named[0]


def _value(kind: Any) -> str:
    """What stands behind an option: the choices, or a word for the type."""
    if get_origin(kind) in {Union, types.UnionType}:
        (kind,) = (k for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is Literal:
        return " ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) in {list, tuple}:
        return f"{_value(get_args(kind)[0])}, may be given several times"
    return {Path: "PATH", int: "INTEGER", float: "NUMBER"}.get(kind, "TEXT")


def _default(parameter: Parameter) -> str:
    default = parameter.default
    if default is Parameter.empty:
        return " Required."
    if default is None or isinstance(default, bool) or default == ():
        return ""
    return f" Default: `{default}`."


def _sentence(info: Any) -> str:
    text = _cell(info.help or "")
    return text if text.endswith(("?", "…")) else text.removesuffix(".") + "."


def _first(text: str) -> str:
    """The first sentence."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".") + "."


def _cell(text: str) -> str:
    """``text`` for a cell of a table."""
    return re.sub(r"(--[a-z][a-z-]*)", r"`\1`", " ".join(text.split())).replace("|", "\\|")


def _lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
