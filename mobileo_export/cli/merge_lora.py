"""``mobileo-export merge-lora``: an adapter and its base in, a plain checkpoint out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mobileo_export.cli import sources
from mobileo_export.cli.options import Json, Offline, Quiet, Revision
from mobileo_export.cli.output import (
    new_console,
    new_table,
    print_json,
    print_warning,
    progress_display,
    say,
)
from mobileo_export.errors import printable
from mobileo_export.progress import of_job
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from mobileo_export.merging.merge import Group, MergeReport


def command(
    *,
    base: Annotated[
        str, typer.Option(help="The checkpoint that was trained on: folder, hub id, miniature.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The checkpoint to write.")],
    adapter: Annotated[
        Path | None, typer.Option(help="The folder that PEFT saved the adapter in.")
    ] = None,
    weights: Annotated[
        Literal["released", "post-trained"],
        typer.Option(help="Take the base's top-level weights, or put its nested copies there."),
    ] = "released",
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Read tensors, and nothing else, from pickles.")
    ] = False,
    revision: Revision = None,
    offline: Offline = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Match names and shapes; write nothing.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a merged checkpoint of ours at OUTPUT.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Merge a LoRA adapter, and what was trained beside it, into its base.

    Without --adapter, and with --weights post-trained, the nested copies that the released
    checkpoint keeps under base_model.model.* take the place of the top-level weights.
    """
    from mobileo_export.merging import merge

    quiet = quiet or json
    options = merge.MergeOptions(weights, allow_pickle, overwrite)
    merge.check(adapter, output, options)
    if dry_run and sources.tell_pending(base, revision, offline, output, json):
        return
    opened = sources.resolve(base, revision, offline, quiet).checkpoint
    if dry_run:
        report = merge.preview(opened, adapter, output, options)
    else:
        with progress_display(quiet) as show:
            report = merge.merge(opened, adapter, output, options, of_job("merge", show))
    for warning in report.warnings:
        print_warning(warning)
    if json:
        _print_json(report)
    else:
        _show(report)


def _print_json(report: MergeReport) -> None:
    from dataclasses import asdict

    content = asdict(report)
    if report.seconds is not None:
        content["seconds"] = round(report.seconds, 2)
    print_json(content)


def _show(report: MergeReport) -> None:
    planned = report.seconds is None
    columns = ("trained", "tensors", "changed", "largest change", "in", "kept")
    shown = 2 if planned else len(columns)
    table = new_table(*columns[:shown])
    for group in report.groups:
        table.add_row(*map(printable, _row(group)[:shown]))
    new_console().print(table)
    if planned:
        say(f"would write {report.output}: {report.tensors} tensors, {bytes_text(report.bytes)}")
        return
    say(f"copied {', '.join(report.files)}")
    changed = sum(group.changed or 0 for group in report.groups)
    say(
        f"wrote {report.output}: {changed} of {report.tensors} tensors changed, "
        f"{bytes_text(report.bytes)} in {report.seconds:.0f} s"
    )


def _row(group: Group) -> tuple[str, ...]:
    largest = "" if group.largest is None else f"{group.largest:.2%}"
    kept = "" if group.kept is None else f"{group.kept:.0%}"
    return (
        group.name,
        str(group.tensors),
        "" if group.changed is None else str(group.changed),
        largest,
        group.largest_name or "",
        kept,
    )
