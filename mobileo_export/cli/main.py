"""The command line. Each command is one file; its heavy imports happen when it runs."""

from __future__ import annotations

import typer

from mobileo_export import __version__
from mobileo_export.cli import (
    ask,
    chat,
    demo,
    diff,
    doctor,
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
from mobileo_export.cli.debug_option import Debug, debuggable

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
    debug: Debug = False,
) -> None:
    """Take a Mobile-O checkpoint to Core ML and MLX, and check what was made."""


app.command("export")(debuggable(export.command))
app.command("inspect")(debuggable(inspect.command))
app.command("diff")(debuggable(diff.command))
app.command("verify")(debuggable(verify.command))
app.command("record")(debuggable(record.command))
app.command("run")(debuggable(run.command))
app.command("explain")(debuggable(explain.command))
app.command("generate")(debuggable(generate.command))
app.command("ask")(debuggable(ask.command))
app.command("edit")(debuggable(edit.command))
app.command("chat")(debuggable(chat.command))
app.command("demo")(debuggable(demo.command))
app.command("evaluate")(debuggable(evaluate.command))
app.command("merge-lora")(debuggable(merge_lora.command))
app.command("random-checkpoint")(debuggable(random_checkpoint.command))
app.command("doctor")(debuggable(doctor.command))
