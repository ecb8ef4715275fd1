"""``mobileo-export bench-report``: results of devices beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobileo_export.cli import options, pages
from mobileo_export.cli.output import new_console, new_table, print_json, print_warning

if TYPE_CHECKING:
    from mobileo_export.bench.comparison import BenchComparison
    from mobileo_export.bench.device import MeasuredDevice


def command(
    *,
    results: Annotated[
        list[Path],
        typer.Argument(help="JSON of benchmarks and self-tests: Mac, phone, board."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write, an .html.")],
    json: options.Json = False,
) -> None:
    """Put what devices measured beside each other, on one page.

    RESULTS are the files that benchmarks and self-tests write: those of the app, bench, mobileo
    bench, mobileo replay, mobileo-jetson bench. The page shows the limit of each device and says
    where figures cannot be compared: another bundle, other steps, another prompt, other
    definitions. A self-test stands beside the benchmark of its device.
    """
    from mobileo_export.bench import page
    from mobileo_export.bench.comparison import compare
    from mobileo_export.bench.results import read
    from mobileo_export.processes import extras

    extras.need("bench-report", extras.PAGES)
    found = compare([read(path) for path in results])
    pages.write(output, page.render(found), quiet=True)
    if json:
        print_json({**found.as_json(), "output": str(output)})
    else:
        _show(found)
        print(f"open {output}")
    for line in found.differences:
        print_warning(line)


def _show(found: BenchComparison) -> None:
    from mobileo_export.bench.measurement import digits
    from mobileo_export.bench.stages import stage_title

    table = new_table("median", *(device.name for device in found.devices))
    for name in found.stages():
        items = [device.measurements.get(name) for device in found.devices]
        cells = (f"{digits(item['median'])} {item['unit']}" if item else "" for item in items)
        table.add_row(stage_title(name), *cells)
    table.add_row("self-test", *map(_verdict, found.devices))
    new_console().print(table)


def _verdict(device: MeasuredDevice) -> str:
    if device.is_reference:
        return "the reference"
    if device.self_test is None:
        return "none"
    return "holds" if device.self_test["passed"] else "FAILS"
