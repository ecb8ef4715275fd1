"""``mobileo-export``, also as ``python -m mobileo_export``."""

from __future__ import annotations

from typing import NoReturn

from mobileo_export.cli import program


def main() -> NoReturn:
    """Entry point; exit codes as ``program.main`` says."""
    program.main("mobileo_export.cli.main")


if __name__ == "__main__":
    main()
