"""``mobileo-jetson bench``: what each stage of a bundle takes on this board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mobileo_export.cli.bench import judge, keep
from mobileo_export.cli.options import Json, Quiet
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
    replay: Annotated[
        bool, typer.Option(help="Replay the bundle's golden trace behind it, if it has one.")
    ] = True,
    runtime: options.Runtime = "tensorrt",
    ignore_budget: options.IgnoreBudget = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure every stage: vision, time to first token, tokens a second, a picture.

    Definitions stand in the JSON and in docs/latency.md. Pin the clocks first: sudo jetson_clocks.
    """
    from mobileo_export.bench.run import Settings
    from mobileo_export.bench.stages import STAGES
    from mobileo_export.jetson.bench import bench

    settings = Settings(runs, warmups, image_runs, image_warmups, tokens, steps)
    settings.check()
    needed = options.prepare(
        bundle, runtime, options.BENCHED, quiet=quiet or json, ignore_budget=ignore_budget
    )
    cut: list[dict[str, Any]] = []
    try:
        with display(quiet or json, STAGES) as show:
            result = bench(
                bundle,
                runtime,
                settings,
                resident=needed is None or needed.together,
                progress=show,
                replayed=replay,
                cut_short=cut.append,
            )
    finally:  # behind the display, which has standard output while it lives
        for found in cut:
            keep(found, output, json)
    keep(result, output, json)
    judge(str(bundle), result)
