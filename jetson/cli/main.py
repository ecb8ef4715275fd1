"""``mobileo-jetson``: the command line on the board. Each command is one file."""

from __future__ import annotations

from collections.abc import Callable

import typer

from mobileo_export import __version__
from mobileo_export.cli.debug_option import Debug, debuggable
from mobileo_export.cli.rules import ruled
from mobileo_export.jetson.cli import bench, build, preflight, use, verify
from mobileo_export.jetson.cli.option_rules import TABLE

app = typer.Typer(
    name="mobileo-jetson",
    help="Build and run a Mobile-O jetson bundle on a Jetson Orin.",
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
    "generate": use.generate,
    "ask": use.ask,
    "edit": use.edit,
    "chat": use.chat,
    "bench": bench.command,
}
for _name, _command in _COMMANDS.items():
    app.command(_name, cls=ruled(TABLE[_name]))(debuggable(_command))
