"""``mobileo-jetson bench``: the paper's table on this board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mobileo_export import whole_file
from mobileo_export.cli.output import new_console, new_table, print_json, print_warning
from mobileo_export.cli.output import progress_display as display
from mobileo_export.jetson.cli import options


def command(
    *,
    bundle: options.Bundle,
    runs: Annotated[int, typer.Option(help="Measured runs of vision and language.")] = 30,
    warmups: Annotated[int, typer.Option(help="Runs before them that do not count.")] = 5,
    image_runs: Annotated[int, typer.Option(help="Measured pictures.")] = 10,
    image_warmups: Annotated[int, typer.Option(help="Pictures that do not count.")] = 2,
    tokens: Annotated[int, typer.Option(help="Tokens after the first, for tokens a second.")] = 64,
    steps: Annotated[
        int | None, typer.Option(help="Steps of a picture; the recipe's (20) by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The .json to write.")
    ] = None,
    runtime: options.Runtime = "tensorrt",
    ignore_budget: options.IgnoreBudget = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Measure vision, time to first token, tokens a second and seconds a picture.

    Definitions stand in the JSON and in jetson/README.md. Pin the clocks first: sudo jetson_clocks.
    """
    from mobileo_export.jetson.bench import Settings, bench

    settings = Settings(runs, warmups, image_runs, image_warmups, tokens, steps)
    settings.check()
    needed = options.prepare(
        bundle, runtime, options.BENCHED, quiet=quiet or json, ignore_budget=ignore_budget
    )
    resident = needed is None or needed.together
    with display(quiet or json, ("vision_encoder", "llm", "dit")) as show:
        result = bench(bundle, runtime, settings, resident=resident, progress=show)
    if output is not None:
        _write(output, result)
    if json:
        print_json(result)
    else:
        _show(result)
    for note in result["notes"]:
        print_warning(note)


def _write(path: Path, result: dict[str, Any]) -> None:
    import json

    text = json.dumps(result, indent=2, sort_keys=True, ensure_ascii=False)
    with whole_file.writing(path) as file:
        file.write((text + "\n").encode())


def _show(result: dict[str, Any]) -> None:
    from mobileo_export.bench.measurement import digits

    table = new_table("measured", "mean ± deviation", "median", "p95", "paper")
    for item in result["measurements"]:
        spread = "" if item["deviation"] is None else f" ± {digits(item['deviation'])}"
        published = item["published"]
        paper = f"{published['mean']:g} ± {published['deviation']:g}" if published else ""
        table.add_row(
            f"{item['name']} ({item['unit']})",
            f"{digits(item['mean'])}{spread}",
            digits(item["median"]),
            digits(item["p95"]),
            paper,
        )
    new_console().print(table)
    seen = result["telemetry"]
    if seen is not None:
        figures = [f"{seen['ram_peak']} MB of memory at most"]
        if seen["power_mean"] is not None:
            figures.append(f"{seen['power_mean']:.1f} W ({seen['power_peak']:.1f} W at most)")
        if seen["temperature_peak"] is not None:
            figures.append(f"{seen['temperature_peak']:.0f} °C at most")
        print(", ".join(figures))
