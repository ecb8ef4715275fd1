"""What the package ships beside its code: a small Mobile-O that was trained, two photographs."""

from __future__ import annotations

from pathlib import Path

from mobileo_export.errors import UsageError

MINIATURE = "miniature"


def miniature() -> Path:
    """The folder of the miniature's checkpoint, in the released layout.

    Raises:
        UsageError: this installation lacks it.
    """
    folder = Path(__file__).parent / MINIATURE
    if not (folder / "config.json").is_file():
        raise UsageError(f"{folder}: the miniature is not installed; reinstall mobileo-export")
    return folder


def photograph(name: str) -> Path:
    """The file of a photograph; ``photographs/README.md`` says whose they are.

    Raises:
        UsageError: this installation lacks it.
    """
    path = Path(__file__).parent / "photographs" / f"{name}.jpg"
    if not path.is_file():
        raise UsageError(f"{path}: the photograph is not installed; reinstall mobileo-export")
    return path
