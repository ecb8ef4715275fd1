"""``--debug``, which every command of every program of ours has."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

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

    # Both are read by typer, and which of them depends on its release.
    hints = {**get_type_hints(command, include_extras=True), "debug": Debug}
    option = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False)
    parameters = [*inspect.signature(command).parameters.values(), option]
    with_debug.__annotations__ = hints
    with_debug.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(annotation=hints[parameter.name]) for parameter in parameters]
    )
    return with_debug
