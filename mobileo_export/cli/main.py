"""The command line. Each command is one file; its heavy imports happen when it runs."""

from __future__ import annotations

import sys

import typer

from mobileo_export import __version__
from mobileo_export.cli import export, inspect, random_checkpoint, run, verify
from mobileo_export.cli.output import print_error
from mobileo_export.errors import MobileoError

app = typer.Typer(
    name="mobileo-export",
    help="Take a Mobile-O checkpoint to Core ML and MLX, and check what was made.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        print(f"mobileo-export {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Take a Mobile-O checkpoint to Core ML and MLX, and check what was made."""


app.command("export")(export.command)
app.command("inspect")(inspect.command)
app.command("verify")(verify.command)
app.command("run")(run.command)
app.command("random-checkpoint")(random_checkpoint.command)


def main() -> None:
    """Entry point. Exit codes: 0 fine, 1 a check failed, 2 usage or could not run, 130 interrupt."""
    try:
        app()
    except MobileoError as error:
        print_error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print_error("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        # A full disk, a forbidden folder: the user's to mend, and named by the system.
        print_error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(2)


if __name__ == "__main__":
    main()
