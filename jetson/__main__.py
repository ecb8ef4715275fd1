"""``mobileo-jetson``, also as ``python -m mobileo_export.jetson``."""

from __future__ import annotations

from typing import NoReturn

from mobileo_export.cli import program


def main() -> NoReturn:
    """Entry point; exit codes as ``mobileo-export`` has them."""
    program.main("mobileo_export.jetson.cli.main")


if __name__ == "__main__":
    main()
