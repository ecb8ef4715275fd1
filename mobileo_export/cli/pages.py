"""``--page``: what a command found, as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Page = Annotated[
    Path | None,
    typer.Option("--page", metavar="PAGE.html", help="Write what was found to a page, an .html."),
]


def need(page: Path | None) -> None:
    """Raise MissingDependencyError, before the work, when a page is wanted and none can be made."""
    from mobileo_export.processes import extras

    if page is not None:
        extras.need("--page", extras.PAGES)


def write(page: Path, text: str, quiet: bool) -> None:
    """Write ``text`` whole or not at all; say what to open unless ``quiet``."""
    from mobileo_export import whole_file

    with whole_file.writing(page) as file:
        file.write(text.encode())
    if not quiet:
        print(f"open {page}")
