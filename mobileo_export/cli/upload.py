"""``mobileo-export upload``: a bundle to a repository of the hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobileo_export.cli.options import Json, Quiet
from mobileo_export.cli.output import new_console, new_table, print_json, say
from mobileo_export.errors import printable
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from mobileo_export.sharing.upload import Planned, UploadedFile


def command(
    *,
    bundle: Annotated[Path, typer.Argument(help="A bundle.")],
    repository: Annotated[
        str, typer.Argument(help="OWNER/NAME of the repository; made if it is not there.")
    ],
    public: Annotated[
        bool, typer.Option("--public", help="Make the repository public; private otherwise.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(help="The branch, made if it is not there; main by default.")
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="The message of the commit.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go where; send nothing.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Send a bundle to the Hugging Face hub, in one commit.

    Its files must be as sealed, and its licence that of the weights. What the hub has by its hash
    is not sent again: after an interruption the same command goes on. The token is that of
    `hf auth login`, or HF_TOKEN.
    """
    from dataclasses import asdict
    from importlib import import_module

    from mobileo_export.sharing import upload

    planned = upload.plan(bundle, repository, revision, public)
    result = {"bundle": str(bundle), **asdict(planned), "bytes": planned.bytes}
    if dry_run:
        if json:
            print_json(result)
        else:
            _show(bundle, planned)
        return
    if quiet or json or not sys.stderr.isatty():
        import_module("huggingface_hub.utils").disable_progress_bars()

    def told(item: UploadedFile, number: int, total: int) -> None:
        if not (quiet or json):
            line = f"{number} of {total}: {item.path}, {bytes_text(item.size)}"
            print(printable(line), file=sys.stderr, flush=True)

    address = upload.send(bundle, planned, message or upload.MESSAGE, told)
    if json:
        print_json({**result, "commit": address})
    else:
        say(f"sent {bytes_text(planned.bytes)} of {bundle} to {repository}: {address}")


def _show(bundle: Path, planned: Planned) -> None:
    table = new_table("file", "size", "there")
    for item in planned.items:
        shown = {"new": "", "changed": "another", "there": "the same"}[item.state]
        table.add_row(item.path, bytes_text(item.size), shown)
    for path in planned.removed:
        table.add_row(path, "", "would be removed")
    what = "private" if planned.private else "public"
    where = "which is there" if planned.exists else f"which would be made, {what}"
    branch = f" (branch {planned.revision})" if planned.revision else ""
    say(
        f"would send {bytes_text(planned.bytes)} of {bundle} to {planned.repository}{branch}, "
        f"{where}"
    )
    new_console().print(table)
