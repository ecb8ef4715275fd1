"""The command line. Each command is one file; its heavy imports happen when it runs."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Any, NoReturn

import typer

from mobileo_export import __version__
from mobileo_export.cli import (
    ask,
    chat,
    edit,
    evaluate,
    explain,
    export,
    generate,
    inspect,
    merge_lora,
    random_checkpoint,
    record,
    run,
    verify,
)
from mobileo_export.cli.output import print_error
from mobileo_export.errors import MobileoError

app = typer.Typer(
    name="mobileo-export",
    help="Take a Mobile-O checkpoint to Core ML and MLX, and check what was made.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: a third of the time, and the same in a log
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
app.command("record")(record.command)
app.command("run")(run.command)
app.command("explain")(explain.command)
app.command("generate")(generate.command)
app.command("ask")(ask.command)
app.command("edit")(edit.command)
app.command("chat")(chat.command)
app.command("evaluate")(evaluate.command)
app.command("merge-lora")(merge_lora.command)
app.command("random-checkpoint")(random_checkpoint.command)


def main() -> NoReturn:
    """Entry point.

    Exit codes: 0 fine, 1 a check failed, 2 usage or could not run, 130 interrupted (143 when
    asked to terminate).
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays in force
            signal.signal(number, _stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # any file name can be shown on any terminal
            stream.reconfigure(errors="backslashreplace")
    stdout = sys.stdout
    try:
        code = _run()
        if sys.stdout is not stdout:  # what typer does when nobody reads it any more
            raise BrokenPipeError
        stdout.flush()
    except BrokenPipeError:
        # Whoever reads us, such as head, has seen enough; nothing must be flushed at exit again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        code = 0
    sys.exit(code)


def _run() -> int:
    try:
        app()
    except SystemExit as stop:  # typer ends every command so
        if stop.code in _SIGNAL_CODES:
            print_error("interrupted")
        return stop.code if isinstance(stop.code, int) else 0
    except MobileoError as error:
        print_error(str(error))
        return error.exit_code
    except OSError as error:
        # A full disk, a forbidden folder: the user's to mend, and named by the system.
        named = error.filename is not None and error.strerror
        print_error(f"{error.filename}: {error.strerror}" if named else str(error))
        return 2
    return 0


_SIGNAL_CODES = {128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP}


def _stop(number: int, frame: Any) -> NoReturn:
    # Not KeyboardInterrupt: what typer makes of that depends on its release.
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
