"""``mobileo-export``, also as ``python -m mobileo_export``."""

from __future__ import annotations

from mobileo_export.processes import safe_path

safe_path.enforce(__name__)  # before anything else is imported

from typing import NoReturn  # noqa: E402

from mobileo_export.cli import program  # noqa: E402


def main() -> NoReturn:
    """Entry point; exit codes as ``program.main`` says."""
    program.main("mobileo_export.cli.main")


if __name__ == "__main__":
    main()
