"""``mobileo-export explain``: where an artifact first diverges from PyTorch, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobileo_export.cli import pages, sources
from mobileo_export.cli.component_options import OnlyOne
from mobileo_export.cli.options import Json, MadeFrom, Offline, Quiet
from mobileo_export.cli.output import (
    new_console,
    new_table,
    print_json,
    progress_display,
    say,
)
from mobileo_export.errors import CheckFailedError, UsageError, printable

if TYPE_CHECKING:
    from rich.console import Console

    from mobileo_export.parity.explain.results import Divergence, Explanation


def command(
    *,
    bundle: Annotated[Path, typer.Argument(help="A bundle; it need not be as sealed.")],
    checkpoint: MadeFrom,
    only: OnlyOne,
    case: Annotated[
        str | None, typer.Option(help="Explain one case; by default all of them until one fails.")
    ] = None,
    page: pages.Page = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find where an artifact first diverges from PyTorch, and why.

    Runs artifact and reference side by side, compares every value that both compute, and walks to
    the first module and operation whose error jumps. Prints the symptom, the place in both graphs,
    the likely cause and what to do. Exit code 0 when every case lies within its gate, 1 when not.
    """
    from mobileo_export.components import select
    from mobileo_export.parity.explain import report
    from mobileo_export.parity.explain.explain import check, explain
    from mobileo_export.processes import extras

    specs = select(only)
    if len(specs) != 1:
        raise UsageError(f"--only {only}: name one component")
    content = check(bundle, specs[0], case)
    extras.need("explaining", extras.REFERENCE)
    pages.need(page)
    opened = sources.of_bundle(content, checkpoint, offline, quiet or json)
    with progress_display(quiet or json, [specs[0].name]) as show:
        found = explain(bundle, opened, specs[0], case, show)
    if json:
        print_json(report.as_json(found))
    else:
        _show(found)
    if page is not None:
        from mobileo_export.parity.explain.page import render

        pages.write(page, render(found, content["tools"]), json)
    if found.finding is not None:
        place = found.finding.place
        where = place.module or place.op or found.component
        raise CheckFailedError(
            f"{found.artifact}: diverges from PyTorch at {where} ({found.finding.kind})"
        )


def _show(found: Explanation) -> None:
    console = new_console()
    last = found.cases[-1] if found.cases else None
    case = f", case {last.case!r}" if last is not None else ""
    console.print(printable(f"{found.artifact} beside PyTorch{case}"))
    if found.steps:
        _table(found, console)
    if found.finding is not None:
        _finding(found.finding, console)
        return
    for check in found.cases:
        say(f"  {check.case}: {check.summary}")
    index = found.largest_growth
    grown = ""
    if index is not None:
        step = found.steps[index]
        grown = (
            f" The error grows most at {step.module or 'the end'} ({step.op}, {step.kind}): "
            f"{step.inherited:.1e} to {step.error:.1e}."
        )
    if found.component == "llm":
        say(f"Every tensor is as quantized from the checkpoint.{grown}")
    else:
        say(f"Nothing diverges: every case is within its gate.{grown}")
    for note in found.notes:
        say(f"Yet not as it should be: {note}")
    if found.unsealed:
        names = ", ".join(map(printable, found.unsealed))
        say(f"Yet not as sealed: {names}")


def _table(found: Explanation, console: Console) -> None:
    from rich.text import Text

    from mobileo_export.parity.explain.report import drift

    table = new_table("", "error after", "relative L2", "1e-8 … 1", "growth")
    after = False
    for row in drift(found):
        style = "bold red" if row.culprit else "yellow" if after else "green"
        table.add_row(
            "▶" if row.culprit else "",
            Text(printable(row.module), "bold" if row.culprit else ""),
            f"{row.error:.1e}",
            Text(row.bar, style),
            f"×{row.growth:.0e}" if row.culprit else "",
        )
        after = after or row.culprit
    console.print(table)


def _finding(finding: Divergence, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    place = finding.place
    lines = [("Symptom", finding.symptom)]
    if place.module_type:
        lines.append(("Where", f"PyTorch  {place.module or '(the whole)'} ({place.module_type})"))
        lines += [("", f"tensor   {name}") for name in place.tensors]
    if place.op:
        value = f" → {place.value}" if place.value else ""
        lines.append(
            ("" if place.module_type else "Where", f"artifact {place.op} ({place.kind}){value}")
        )
    if place.blob:
        lines.append(("", f"constant {place.blob}"))
    lines += [("Cause", finding.cause), ("Fix", finding.fix)]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in lines:
        grid.add_row(Text(label, "bold"), printable(text))
    console.print(grid)
