"""``--only``, which names components; ``--component`` is taken for it."""

from __future__ import annotations

from typing import Annotated

import typer

from mobileo_export.errors import UsageError

# components.NAMED, which help cannot import: it brings numpy. A test holds the two together.
NAMED = "vision_encoder, mcp (or connector), dit (or transformer), vae_decoder, llm"
METAVARS = {"COMPONENT", "COMPONENTS"}
Only = Annotated[
    str | None,
    typer.Option(help=f"Take these alone, with commas between: {NAMED}."),
]
OnlyOne = Annotated[str, typer.Option(metavar="COMPONENT", help=f"The component: {NAMED}.")]
One = Annotated[str, typer.Argument(help=f"The component: {NAMED}.")]
_NAME, _OTHER = "--only", "--component"


def one_name(arguments: list[str]) -> list[str]:
    """``arguments`` with ``--only`` for ``--component``.

    Raises:
        UsageError: both are there.
    """
    names = [argument.partition("=")[0] for argument in arguments]
    if _OTHER not in names:
        return arguments
    if _NAME in names:
        raise UsageError(f"{_NAME} and {_OTHER} are one option: give one of them")
    return [
        _NAME + argument.removeprefix(_OTHER) if name == _OTHER else argument
        for name, argument in zip(names, arguments, strict=True)
    ]
