"""``--debug``, which every command of every program of ours has."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export.cli import help_pages, parameters
from mobileo_export.processes import debug

if TYPE_CHECKING:
    from collections.abc import Callable


def _asked(value: bool) -> None:
    if value:
        debug.enable()


Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        help=f"Show tracebacks, keep scratch folders of what fails; also {debug.VARIABLE}=1.",
        callback=_asked,
        is_eager=True,
        expose_value=False,
    ),
]


def debuggable(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with ``--debug`` beside its own options, for typer to register."""

    @wraps(command)
    def with_debug(**options: Any) -> None:
        options.pop("debug", None)
        command(**options)

    own = [*parameters.of(command), parameters.option("debug", Debug, False)]
    return parameters.declare(with_debug, help_pages.plainly(own))
