"""Sizes for people, and whether a disk has room for them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def bytes_text(count: float) -> str:
    """``1234567`` as ``1.2 MB`` (decimal units, as disks are sold)."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def disk_free(path: Path) -> int:
    """Free bytes where ``path`` is or would be."""
    return shutil.disk_usage(_existing(path)).free


def check_disk(
    path: Path,
    needed: float,
    what: str,
    remedy: str = "choose another disk",
    free: Callable[[Path], int] = disk_free,
) -> None:
    """Raise UsageError unless ``needed`` bytes are free where ``path`` is or would be.

    Args:
        path: what will be written.
        needed: bytes.
        what: will be written, with the verb: ``the export takes``.
        remedy: besides making room.
        free: measures.
    """
    found = free(path)
    if found < needed:
        raise UsageError(
            f"{_existing(path)}: {bytes_text(found)} free, {what} {bytes_text(needed)}; "
            f"free some space or {remedy}"
        )


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
