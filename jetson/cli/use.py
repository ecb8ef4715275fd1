"""``mobileo-jetson generate``, ``ask``, ``edit`` and ``chat``: those of ``mobileo-export``."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from mobileo_export.cli import parameters
from mobileo_export.jetson.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Parameter
    from pathlib import Path


def on_board(command: Callable[..., None], needs: tuple[str, ...]) -> Callable[..., None]:
    """``command`` for a bundle with engines beside it, for typer to register.

    What goes with a checkpoint or the hub is taken away, ``--runtime`` has what a board has, and
    the memory that the components of ``needs`` take is looked at first.
    """

    @wraps(command)
    def run(*, bundle: Path, ignore_budget: bool, **values: Any) -> None:
        quiet = values["quiet"] or values["json"]
        options.prepare(bundle, values["runtime"], needs, quiet=quiet, ignore_budget=ignore_budget)
        command(source=str(bundle), offline=True, **values)

    ours: dict[str, list[Parameter]] = {
        "source": [parameters.option("bundle", options.Bundle, parameters.REQUIRED)],
        "runtime": [
            parameters.option("runtime", options.Runtime, "tensorrt"),
            parameters.option("ignore_budget", options.IgnoreBudget, False),
        ],
        "weights": [],
        "offline": [],
    }
    kept = (ours.get(parameter.name, [parameter]) for parameter in parameters.of(command))
    return parameters.declare(run, [parameter for group in kept for parameter in group])
