"""The parameters of a command as typer reads them, to register it with others."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, TypeVar, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Command = TypeVar("Command", bound=Callable[..., None])

REQUIRED = inspect.Parameter.empty  # in place of a default


def of(command: Callable[..., None]) -> list[inspect.Parameter]:
    """The parameters of ``command``; their annotations are types, not text."""
    hints = get_type_hints(command, include_extras=True)
    found = inspect.signature(command).parameters.values()
    return [parameter.replace(annotation=hints[parameter.name]) for parameter in found]


def option(name: str, annotation: object, default: object) -> inspect.Parameter:
    """One more."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def declare(command: Command, parameters: Iterable[inspect.Parameter]) -> Command:
    """Have typer see ``parameters`` as those of ``command``."""
    # Both are read by typer, and which of them depends on its release.
    signature = inspect.Signature(list(parameters))
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return command
