"""``mobileo-jetson``: the command line on the board. Each command is one file."""

from __future__ import annotations

from collections.abc import Callable

import typer

from mobileo_export import __version__
from mobileo_export.cli import ask, chat, edit, generate
from mobileo_export.cli.debug_option import Debug, debuggable
from mobileo_export.cli.help_pages import CONTEXT, HelpfulGroup
from mobileo_export.cli.rules import ruled
from mobileo_export.jetson.cli import bench, build, preflight, use, verify
from mobileo_export.jetson.cli.option_rules import TABLE
from mobileo_export.pipelines.needs import NEEDS

app = typer.Typer(
    name="mobileo-jetson",
    help="Build and run a Mobile-O jetson bundle on a Jetson Orin.",
    cls=HelpfulGroup,
    context_settings=CONTEXT,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        print(f"mobileo-jetson {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
    debug: Debug = False,
) -> None:
    """Build and run a Mobile-O jetson bundle on a Jetson Orin."""


_COMMANDS: dict[str, Callable[..., None]] = {
    "preflight": preflight.command,
    "build": build.command,
    "verify": verify.command,
    "generate": use.on_board(generate.command, NEEDS["generate"]),
    "ask": use.on_board(ask.command, NEEDS["ask"]),
    "edit": use.on_board(edit.command, NEEDS["edit"]),
    "chat": use.on_board(chat.command, NEEDS["chat"]),
    "bench": bench.command,
}
_EXAMPLES = {
    "preflight": "mobileo-jetson preflight bundle",
    "build": "mobileo-jetson build bundle --only dit,vae_decoder",
    "verify": "mobileo-jetson verify bundle",
    "generate": 'mobileo-jetson generate bundle "a ring" -o a.png',
    "ask": 'mobileo-jetson ask bundle a.png "What is it?"',
    "edit": 'mobileo-jetson edit bundle a.png "make it red" -o b.png',
    "chat": "mobileo-jetson chat bundle",
    "bench": "mobileo-jetson bench bundle -o orin.json",
}
for _name, _command in _COMMANDS.items():
    app.command(_name, cls=ruled(TABLE[_name], (_EXAMPLES[_name],)))(debuggable(_command))
