"""The command line. Each command is one file; its heavy imports happen when it runs."""

from __future__ import annotations

from collections.abc import Callable

import typer

from mobileo_export import __version__
from mobileo_export.cli import (
    ask,
    bench,
    bench_report,
    chat,
    compress_plan,
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
    serve,
    upload,
    verify,
    witness,
)
from mobileo_export.cli.debug_option import Debug, debuggable
from mobileo_export.cli.help_pages import CONTEXT, HelpfulGroup
from mobileo_export.cli.help_table import EXAMPLES
from mobileo_export.cli.option_rules import TABLE
from mobileo_export.cli.rules import ruled

app = typer.Typer(
    name="mobileo-export",
    help="Take a Mobile-O checkpoint to Core ML and MLX, and check what was made.",
    cls=HelpfulGroup,
    context_settings=CONTEXT,
    no_args_is_help=True,
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


_COMMANDS: dict[str, Callable[..., None]] = {
    "export": export.command,
    "inspect": inspect.command,
    "diff": diff.command,
    "verify": verify.command,
    "record": record.command,
    "run": run.command,
    "explain": explain.command,
    "witness": witness.command,
    "generate": generate.command,
    "ask": ask.command,
    "edit": edit.command,
    "chat": chat.command,
    "serve": serve.command,
    "upload": upload.command,
    "demo": demo.command,
    "evaluate": evaluate.command,
    "bench": bench.command,
    "bench-report": bench_report.command,
    "compress-plan": compress_plan.command,
    "merge-lora": merge_lora.command,
    "random-checkpoint": random_checkpoint.command,
    "doctor": doctor.command,
}
for _name, _command in _COMMANDS.items():
    app.command(_name, cls=ruled(TABLE[_name], EXAMPLES.get(_name, ())))(debuggable(_command))
