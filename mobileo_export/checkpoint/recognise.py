"""Is a folder a bundle? Asked of whatever a user names as a checkpoint.

Whether a bundle is whole, :func:`mobileo_export.bundle.manifest.read` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export import json_file

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "manifest.json"
FORMAT = "mobileo-bundle"


def is_bundle(folder: Path) -> bool:
    """Whether ``folder`` holds a manifest of ours; one of something else is none."""
    try:
        content = json_file.load(folder / MANIFEST)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT
