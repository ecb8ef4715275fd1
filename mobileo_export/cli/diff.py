"""``mobileo-export diff``: what changed from one bundle to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export.cli import pages
from mobileo_export.cli.options import JsonOfAll, Quiet
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
    from rich.console import Console

    from mobileo_export.inspection.difference import ArtifactChange, Difference

_LONGEST = 70  # characters of one value


def command(
    *,
    old: Annotated[Path, typer.Argument(help="A bundle.")],
    new: Annotated[Path, typer.Argument(help="Another bundle, to compare with it.")],
    limit: Annotated[
        int, typer.Option(min=0, help="Show so many rows of each table, all for 0; JSON has all.")
    ] = 20,
    page: pages.Page = None,
    json: JsonOfAll = False,
    quiet: Quiet = False,
) -> None:
    """Show what changed from one bundle to another.

    Files, components, tensors (how far apart, the most different first), operations, recipe,
    precision, recorded figures, versions, source. Exit code 0: identical; 1: they differ, or one
    is not as it was sealed; 2: one cannot be read.
    """
    from mobileo_export.inspection import difference

    pages.need(page)
    with progress_display(quiet or json, ["diff"]) as show:
        found = difference.compare(old, new, of_job("diff", show))
    for side, problems in zip((old, new), found.broken, strict=True):
        for problem in problems:
            print_warning(f"{side}: not as sealed: {problem.path} ({problem.kind})")
    if json:
        print_json(_as_json(found))
    else:
        _show(found, limit)
    if page is not None:
        from mobileo_export.inspection.page import render

        pages.write(page, render(found), json)
    if not found.same:
        raise typer.Exit(1)


def _as_json(found: Difference) -> dict[str, Any]:
    from dataclasses import asdict

    content = asdict(found)
    content["same"] = found.same
    for entry, change in zip(content["files"], found.files, strict=True):
        entry["kind"] = change.kind
    content["sealed"] = {
        side: [asdict(problem) for problem in problems]
        for side, problems in zip(("old", "new"), found.broken, strict=True)
    }
    content["components"] = {"removed": found.components[0], "added": found.components[1]}
    del content["broken"]
    return content


def _show(found: Difference, limit: int) -> None:
    from mobileo_export.inspection import difference_in_words

    console = new_console()
    if found.same:
        say(f"{found.old} and {found.new} are identical, and as sealed", "green")
        return
    say(f"{found.old} -> {found.new}")
    say(difference_in_words.sentence(found), "bold")
    console.print()
    rows = [
        (
            change.kind,
            change.path,
            "" if change.old_size is None else bytes_text(change.old_size),
            "" if change.new_size is None else bytes_text(change.new_size),
        )
        for change in found.files
    ]
    _table(console, f"{len(rows)} files differ", ("change", "file", "old", "new"), rows, limit)
    fields = [(field.path, _value(field.old), _value(field.new)) for field in found.fields]
    _table(console, f"{len(fields)} fields differ", ("field", "old", "new"), fields, limit)
    for artifact in found.artifacts:
        _show_artifact(console, artifact, limit)


def _show_artifact(console: Console, artifact: ArtifactChange, limit: int) -> None:
    console.print()
    title = f"{artifact.component} ({artifact.path})"
    if artifact.note is not None:
        console.print(printable(f"{title}: {artifact.note}"))
        return
    all_tensors = len(artifact.tensors) + artifact.tensors_equal
    tensors = [
        (
            change.name,
            _figure(change.relative_l2),
            _figure(change.max_abs),
            "" if change.changed is None else f"{change.changed:.1%}",
            change.new or "removed"
            if change.old in {None, change.new}
            else f"{change.old} -> {change.new or 'removed'}",
        )
        for change in artifact.tensors
    ]
    _table(
        console,
        f"{title}: {len(tensors)} of {all_tensors} tensors differ",
        ("tensor", "relative L2", "max |d|", "values", "stored as"),
        tensors,
        limit,
    )
    if artifact.operations:
        counts = (f"{kind} {old} -> {new}" for kind, (old, new) in artifact.operations.items())
        console.print(printable(f"operations: {', '.join(counts)}"))
    rows = [
        (change.kind, change.operation, change.module or change.name, change.detail)
        for change in artifact.graph
    ]
    if rows:
        heading = f"{title}: {len(rows)} changes of its graph"
        _table(console, heading, ("change", "operation", "module", "detail"), rows, limit)
    elif artifact.operations is not None and not artifact.operations:
        console.print("operations: the same")


def _table(
    console: Console, title: str, columns: tuple[str, ...], rows: list[Any], limit: int
) -> None:
    console.print(printable(title))
    if not rows:
        return
    table = new_table(*columns)
    shown = rows if limit == 0 else rows[:limit]
    for row in shown:
        table.add_row(*(printable(text) for text in row))
    console.print(table)
    if len(rows) > len(shown):
        console.print(f"... {len(rows) - len(shown)} more; --limit 0 shows all")


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
