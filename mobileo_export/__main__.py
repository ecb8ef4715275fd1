"""``mobileo-export``, also as ``python -m mobileo_export``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from mobileo_export.cli import program

if TYPE_CHECKING:
    import typer


def _load() -> typer.Typer:
    from mobileo_export.cli.main import app

    return app


def main() -> NoReturn:
    """Entry point; exit codes as ``program.main`` says."""
    program.main(_load)


if __name__ == "__main__":
    main()
