"""``mobileo-export doctor``: what this machine can do, and what mends the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export import targets
from mobileo_export.cli import findings
from mobileo_export.cli.options import JsonOfAll, Quiet
from mobileo_export.cli.output import (
    new_console,
    new_table,
    print_error,
    print_json,
    progress_display,
    say,
)
from mobileo_export.errors import UsageError, printable
from mobileo_export.progress import of_job

# Commands whose being possible the last line tells, by the names of abilities.
_MATTER = ("verify --checkpoint", "run, generate, edit, ask, chat, evaluate (bundle)", "serve")

if TYPE_CHECKING:
    from mobileo_export.doctor.examine import Report


def command(
    *,
    source: Annotated[
        str | None, typer.Argument(help="A checkpoint to export, or a bundle to run, here.")
    ] = None,
    target: Annotated[
        targets.Choice | None, typer.Option(help="Ask whether this target can be exported here.")
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="Ask whether this runtime can be used here.")
    ] = None,
    imports: Annotated[
        bool, typer.Option("--imports", help="Import every package, in processes of their own.")
    ] = False,
    json: JsonOfAll = False,
    quiet: Quiet = False,
) -> None:
    """Say what this machine can do, and what mends the rest.

    Versions against the ranges of this release and the tested set, Python, disk, memory, engines;
    then every target, runtime and command. Nothing heavy is imported unless --imports asks for it.
    Exit code 0: nothing has to be mended for what is asked; 1: something has. A package that is
    not installed is only wrong when --target, --runtime or SOURCE needs it.
    """
    from mobileo_export.checkpoint import hub
    from mobileo_export.doctor.examine import examine

    if source is not None and hub.is_hub_id(source):
        name = hub.named(source, None)[0]
        raise UsageError(
            f"{name}: is not on this disk, where doctor looks; what its export would download is "
            f"told by mobileo-export export {name} -o OUTPUT --dry-run"
        )
    with progress_display(quiet or json) as show:
        path = None if source is None else Path(source)
        report = examine(path, target, runtime, imports, of_job("doctor", show))
    if json:
        print_json(_as_json(report))
    else:
        _show(report)
        for problem in report.problems:
            mend = f": {problem.mend}" if problem.mend else ""
            print_error(f"{problem.what}: {problem.detail}{mend}")
        say(*_verdict(report, source))
    if report.problems:
        raise typer.Exit(1)


def _as_json(report: Report) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **asdict(report),
        "problems": [asdict(problem) for problem in report.problems],
        "ok": not report.problems,
    }


def _verdict(report: Report, source: str | None) -> tuple[str, str]:
    """The last line, and its style: what can be done now, or what to do first."""
    if report.problems:
        mends = [problem.mend for problem in report.problems if problem.mend]
        return f"not ready; first: {mends[0] if mends else 'see the errors above'}", "bold red"
    able = [ability for ability in report.abilities if ability.able]
    if source is not None:
        runs = any(finding.what == "memory to run" for finding in report.source)
        return f"ready: {source} can be {'run' if runs else 'exported'} here", "bold green"
    asked = [ability.name for ability in able if ability.name in report.asked]
    if asked:
        return f"ready: {', '.join(asked)}", "bold green"
    names = [a.name for a in able if a.kind == "target" or a.name in _MATTER]
    if not any(ability.kind == "target" for ability in able):
        lacking = next(a for a in report.abilities if a.kind == "target")
        more = f"; to export, first: {lacking.mend}" if lacking.mend else ""
        return f"ready: inspect, diff, verify{more}", "bold yellow"
    return f"ready: {'; '.join(names)}", "bold green"


def _show(report: Report) -> None:
    parts = (
        ("machine", report.machine),
        ("packages", report.packages),
        ("imports", report.imports),
        ("source", report.source),
    )
    for title, found in parts:
        if found:
            print(f"{title}:")
            findings.show(found)
            print()
    table = new_table("can", "", "why not", "mend")
    for ability in report.abilities:
        row = (ability.name, "yes" if ability.able else "no", ability.reason, ability.mend or "")
        table.add_row(*map(printable, row))
    new_console().print(table)
