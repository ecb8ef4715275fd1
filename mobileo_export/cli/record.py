"""``mobileo-export record``: golden traces and parity figures into a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export.cli import outputs, sources
from mobileo_export.cli.options import Json, MadeFrom, Offline, Quiet
from mobileo_export.cli.output import print_json, progress_display, say
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.parity.golden.record import Recorded


def command(
    *,
    bundle: Annotated[Path, typer.Argument(help="A bundle with all five components.")],
    checkpoint: MadeFrom,
    steps: Annotated[int, typer.Option(help="Steps of the two pictures that are drawn.")] = 3,
    parity: Annotated[
        bool, typer.Option(help="Compare first, and keep the figures in parity.json.")
    ] = True,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Record a golden trace and parity figures into a bundle, and seal it again.

    One short run of each pipeline is drawn or answered by the checkpoint's own PyTorch modules.
    Any runtime can replay golden/ call by call, without the checkpoint. A bundle that does not
    compute what its checkpoint computes is not recorded.
    """
    from mobileo_export.parity.golden import record
    from mobileo_export.processes import extras

    content = record.check(bundle, steps)
    outputs.check_beside(bundle)  # the new bundle grows beside the old one
    extras.need("recording", extras.REFERENCE)
    opened = sources.of_bundle(content, checkpoint, offline, quiet or json)
    recorded = run(bundle, opened, steps, parity, quiet or json)
    if json:
        print_json(as_json(recorded))
    else:
        show(recorded)


def run(bundle: Path, checkpoint: Checkpoint, steps: int, parity: bool, quiet: bool) -> Recorded:
    """Record with progress on standard error."""
    from mobileo_export.components import COMPONENTS
    from mobileo_export.parity.golden import record

    with progress_display(quiet, COMPONENTS) as on_progress:
        return record.record(bundle, checkpoint, steps=steps, figures=parity, progress=on_progress)


def as_json(recorded: Recorded) -> dict[str, Any]:
    """What was recorded, for ``--json``."""
    names = ("runs", "calls", "entries", "bytes")
    figures = {name: getattr(recorded, name) for name in names}
    return {"bundle": str(recorded.bundle), **figures, "seconds": round(recorded.seconds, 2)}


def show(recorded: Recorded) -> None:
    """What was recorded, for people."""
    comparison = recorded.comparison
    say(
        f"golden/      {recorded.runs} runs, {recorded.calls} calls, {recorded.entries} arrays, "
        f"{bytes_text(recorded.bytes)}"
    )
    if comparison is not None:
        cases = sum(len(component.cases) for component in comparison.components)
        say(f"parity.json  {cases} cases of {len(comparison.components)} comparisons, all within")
    say(f"sealed {recorded.bundle} again in {recorded.seconds:.0f} s")
