"""``mobileo-jetson build``: TensorRT engines from a bundle's graphs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobileo_export.cli.component_options import Only
from mobileo_export.cli.options import Json, Quiet
from mobileo_export.cli.output import (
    print_error,
    print_json,
    print_warning,
    progress_display,
)
from mobileo_export.components import ALIASES
from mobileo_export.errors import ConversionError, printable
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from mobileo_export.jetson.build import BuildOutcome


def command(
    *,
    bundle: Annotated[Path, typer.Argument(help="A jetson bundle.")],
    only: Only = None,
    force: Annotated[
        bool, typer.Option("--force", help="Build anew what is built already.")
    ] = False,
    level: Annotated[
        int, typer.Option(min=0, max=5, help="How long to search for fast kernels.")
    ] = 3,
    workspace: Annotated[
        int | None, typer.Option(min=1, help="Memory for kernels in MB; what is free by default.")
    ] = None,
    tf32: Annotated[
        bool, typer.Option("--tf32", help="Take faster float32 products, of 10 bits of mantissa.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Build the engines of a bundle beside it, in BUNDLE.engines.

    One at a time, each in a process of its own. Interrupted, it goes on where it was: engines that
    fit this TensorRT, this board and this bundle are kept.
    """
    from mobileo_export.jetson import build, engines

    named = [] if only is None else [name.strip() for name in only.split(",")]
    components = None if only is None else [ALIASES.get(name, name) for name in named]
    options = build.BuildOptions(
        components, force, level, None if workspace is None else workspace * build.MB, tf32
    )
    jobs = [engine.name for engine in engines.engines(bundle, components)]
    with progress_display(quiet or json, jobs) as show:
        outcomes = build.build(bundle, options, show)
    if any(outcome.status == "built" and outcome.rehearsal for outcome in outcomes):
        print_warning(
            "these engines are a rehearsal, built without a board's TensorRT: they show that the "
            "graphs can be built, and run nowhere but on a desktop GPU of their kind"
        )
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if json:
        print_json({"engines": [_as_json(outcome) for outcome in outcomes]})
    else:
        for outcome in outcomes:
            if outcome.status != "failed":
                print(printable(_line(outcome)))
    for outcome in failed[:-1]:
        print_error(f"{outcome.name}: {outcome.detail}")
    if failed:
        raise ConversionError(f"{failed[-1].name}: {failed[-1].detail}")


def _line(outcome: BuildOutcome) -> str:
    from mobileo_export.jetson import build

    if outcome.status == "kept":
        return f"{outcome.name}: kept, {bytes_text(outcome.size)}"
    why = "" if outcome.detail == build.NEW else f" ({outcome.detail})"
    return f"{outcome.name}: built in {outcome.seconds:.0f} s, {bytes_text(outcome.size)}{why}"


def _as_json(outcome: BuildOutcome) -> dict[str, object]:
    content = asdict(outcome)
    del content["rehearsal"]  # which is a warning
    return content
