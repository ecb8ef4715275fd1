"""``--help``: commands by purpose, options by subject, plain words for values, examples."""

from __future__ import annotations

import inspect
import textwrap
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args, get_origin

from typer.core import TyperCommand, TyperGroup
from typer.models import ArgumentInfo

from mobileo_export.cli import component_options, help_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONTEXT = {"help_option_names": ["-h", "--help"]}
_LONG = 9  # options, from which on they are grouped
_OPTIONS = "Options"
_COLUMN = 24  # where texts begin, unless all terms are shorter
_TYPES: dict[type, str] = {int: "N", float: "X", Path: "PATH"}
Records = list[tuple[str, str]]


class HelpfulCommand(TyperCommand):
    """A command whose help has its options in groups, and examples."""

    examples: ClassVar[tuple[str, ...]] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``--component`` for ``--only`` where that names components; not both."""
        names = {p.name for p in self.params if p.metavar in component_options.METAVARS}
        if "only" in names:
            args = component_options.one_name(args)
        return super().parse_args(ctx, args)

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence, whole: a list of commands folds it, and nothing is cut off."""
        paragraph = " ".join((self.help or "").split("\n\n")[0].split())
        return paragraph.partition(". ")[0].removesuffix(".") + "."

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """``[OPTIONS] BUNDLE [PICTURE]``."""
        arguments = (p for p in self.get_params(ctx) if p.param_type_name == "argument")
        return ["[OPTIONS]", *(str(p.metavar or p.name) for p in arguments)]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The paragraphs of the docstring."""
        for paragraph in inspect.cleandoc(self.help or "").split("\n\n"):
            formatter.write("\n" + _folded(paragraph, formatter.width, 2) + "\n")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options in groups."""
        parameters = [(p, p.get_help_record(ctx)) for p in self.get_params(ctx)]
        shown = [(parameter, record) for parameter, record in parameters if record is not None]
        arguments = [
            (parameter.metavar or str(parameter.name).upper(), record[1])
            for parameter, record in shown
            if parameter.param_type_name == "argument"
        ]
        _section(formatter, "Arguments", arguments)
        options = [
            (str(parameter.name), record)
            for parameter, record in shown
            if parameter.param_type_name == "option"
        ]
        for title, records in _grouped(options).items():
            _section(formatter, title, records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Examples, as they are typed."""
        if self.examples:
            with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
                for example in self.examples:
                    for line in example.splitlines():
                        formatter.write(f"  {line}\n")


class HelpfulGroup(TyperGroup):
    """A program whose help has its commands by purpose, its variables and its exit codes."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A section a group of ``help_table``; what has none comes last."""
        left = {name: self.commands[name] for name in self.list_commands(ctx)}
        for title, names in help_table.GROUPS.items():
            found = {name: left.pop(name) for name in names if name in left}
            _commands(formatter, title, found)
        title = "Commands" if len(left) == len(self.commands) else help_table.OTHERS
        _commands(formatter, title, left)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """What the environment may say, and what exit codes mean."""
        needed = help_table.ENVIRONMENT_OF
        _section(
            formatter,
            "Environment",
            [
                (name, text)
                for name, text in help_table.ENVIRONMENT.items()
                if needed.get(name, "") in {"", *self.commands}
            ],
        )
        _section(formatter, "Exit codes", list(help_table.EXIT_CODES.items()))


def _commands(formatter: Any, title: str, commands: Mapping[str, Any]) -> None:
    rows = [(name, c.get_short_help_str()) for name, c in commands.items() if not c.hidden]
    _section(formatter, title, rows)


def _section(formatter: Any, title: str, records: Records) -> None:
    """A term and its text a line; a long term has a line of its own. No word is cut at a hyphen."""
    if not records:
        return
    column = min(max(len(term) for term, _ in records) + 4, max(_COLUMN, formatter.width // 3))
    with formatter.section(title):
        for term, text in records:
            first = f"  {term}"
            if not text or len(first) + 2 > column:
                formatter.write(first + "\n")
                first = ""
            if text:
                folded = _folded(text, formatter.width, column)
                formatter.write(f"{first:<{column}}{folded[column:]}\n")


def _folded(text: str, width: int, indent: int) -> str:
    space = " " * indent
    return textwrap.fill(
        " ".join(text.split()),
        width,
        initial_indent=space,
        subsequent_indent=space,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _grouped(options: Iterable[tuple[str, tuple[str, str]]]) -> dict[str, Records]:
    """Records by title; few options, and those of no group, are simply options."""
    options = list(options)
    found: dict[str, Records] = {_OPTIONS: []}
    titles = {name: title for title, names in help_table.OPTION_GROUPS.items() for name in names}
    for title in help_table.OPTION_GROUPS:
        found[title] = []
    for name, record in options:
        title = titles.get(name, _OPTIONS) if len(options) >= _LONG else _OPTIONS
        found[title].append(record)
    return found


def plainly(parameters: Iterable[inspect.Parameter]) -> list[inspect.Parameter]:
    """The parameters of a command with plain words for their values; flags have none."""
    return [_plain(parameter) for parameter in parameters]


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    known: tuple[Any, ...] = get_args(parameter.annotation)
    if len(known) < 2 or known[1].metavar is not None:
        return parameter
    kind, info = known[:2]
    info = copy(info)  # it may be shared by commands
    choices = _choices(kind)
    info.metavar = help_table.METAVARS.get(parameter.name) or "|".join(choices) or None
    if choices and parameter.name in help_table.METAVARS:
        info.help = f"{info.help} One of {', '.join(choices)}."
    if info.metavar is None and kind is not bool:
        info.metavar = _type(kind)
        if isinstance(info, ArgumentInfo):
            needed = parameter.default is parameter.empty
            info.metavar = parameter.name.upper() if needed else f"[{parameter.name.upper()}]"
    return parameter.replace(annotation=Annotated[kind, info])


def _choices(kind: Any) -> tuple[str, ...]:
    """The values of a ``Literal``, which may be optional."""
    if get_origin(kind) is Literal:
        return tuple(map(str, get_args(kind)))
    return next(filter(None, map(_choices, get_args(kind))), ())


def _type(kind: Any) -> str:
    kinds = {kind, *get_args(kind)}
    return next((word for of, word in _TYPES.items() if of in kinds), "TEXT")
