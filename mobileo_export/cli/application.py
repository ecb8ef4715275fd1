"""A program of ours as typer knows it: its commands, and the options that stand before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from mobileo_export import __version__
from mobileo_export.cli.debug_option import Debug, debuggable
from mobileo_export.cli.help_pages import CONTEXT, HelpfulGroup
from mobileo_export.cli.rules import Rows, ruled


def application(
    name: str,
    about: str,
    commands: Mapping[str, Callable[..., None]],
    table: Mapping[str, Rows],
    examples: Mapping[str, tuple[str, ...]],
    *,
    completion: bool = True,
) -> typer.Typer:
    """The program ``name``: every command with its rows of ``table`` and its examples."""
    app = typer.Typer(
        name=name,
        help=about,
        cls=HelpfulGroup,
        context_settings=CONTEXT,
        no_args_is_help=True,
        add_completion=completion,
        rich_markup_mode=None,  # plain help: a third of the time, and the same in a log
        pretty_exceptions_enable=False,
    )

    def show_version(value: bool) -> None:
        if value:
            print(f"{name} {__version__}")
            raise typer.Exit

    @app.callback(help=about)
    def options(
        version: bool = typer.Option(
            False, "--version", callback=show_version, is_eager=True, help="Show the version."
        ),
        debug: Debug = False,
    ) -> None:
        pass

    for own, command in commands.items():
        app.command(own, cls=ruled(table[own], examples.get(own, ())))(debuggable(command))
    return app
