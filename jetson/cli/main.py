"""``mobileo-jetson``: the command line on the board. Each command is one file."""

from __future__ import annotations

import typer

from mobileo_export import __version__
from mobileo_export.cli.debug_option import Debug, debuggable
from mobileo_export.jetson.cli import bench, build, preflight, use, verify

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


app.command("preflight")(debuggable(preflight.command))
app.command("build")(debuggable(build.command))
app.command("verify")(debuggable(verify.command))
app.command("generate")(debuggable(use.generate))
app.command("ask")(debuggable(use.ask))
app.command("edit")(debuggable(use.edit))
app.command("chat")(debuggable(use.chat))
app.command("bench")(debuggable(bench.command))
