"""What the commands that run a bundle share: their options, and the budget before the work."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from mobileo_export.jetson.memory_budget import Budget

Bundle = Annotated[Path, typer.Argument(help="A jetson bundle, its engines beside it.")]
Runtime = Annotated[
    registry.OnBoards,
    typer.Option(help="tensorrt on the board; onnxruntime tries a bundle on any processor."),
]
IgnoreBudget = Annotated[
    bool, typer.Option("--ignore-budget", help="Run even if memory looks too short.")
]
BENCHED = NEEDS["edit"]


def prepare(
    bundle: Path, runtime: str, components: Sequence[str], *, quiet: bool, ignore_budget: bool
) -> Budget | None:
    """Find what is missing before anything is loaded, and say what memory it will take.

    Raises:
        MobileoError: the bundle is for another target, there is no TensorRT or device here, an
            engine does not fit, or memory is short.
    """
    from mobileo_export.jetson import engines

    plans = engines.engines(bundle)
    if runtime != "tensorrt":
        return None
    from mobileo_export.artifacts.engine import stamp
    from mobileo_export.jetson import memory_budget
    from mobileo_export.processes.host import Host
    from mobileo_export.runtimes.tensorrt import engine
    from mobileo_export.runtimes.tensorrt.runtime import Device

    device = Device.here()
    target = engine.target(device.library, device.cuda)
    for found in plans:
        if found.component in components:
            stamp.check(found.where, target)
    needed = memory_budget.of(bundle, components, Host())
    if not quiet:
        print(line(needed), file=sys.stderr)
    if not ignore_budget:
        needed.check()
    return needed


def line(needed: Budget) -> str:
    """``memory: vision_encoder 0.27 GB, llm 1.21 GB; 1.91 GB at most, 5.40 GB free``."""
    rows = ", ".join(f"{row.component} {row.total / 1e9:.2f} GB" for row in needed.rows)
    free = "" if needed.available is None else f", {needed.available / 1e9:.2f} GB free"
    return f"memory: {rows}; one at a time, {needed.peak / 1e9:.2f} GB at most{free}"
