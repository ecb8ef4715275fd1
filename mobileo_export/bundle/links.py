"""Which symbolic links in a bundle are followed: those of a download cache, into its own blobs.

The cache of the Hugging Face hub holds a repository as ``models--OWNER--NAME``: every file of
``snapshots/REVISION`` is a link to ``blobs/HASH`` of that folder
(https://huggingface.co/docs/huggingface_hub/guides/manage-cache). Any other link could lead
anywhere; whoever reads or seals a bundle refuses it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mobileo_export.errors import BundleError

_BLOBS, _SNAPSHOTS = "blobs", "snapshots"


def blobs_of(path: Path) -> Path | None:
    """The blobs of the cache that ``path`` lies in, resolved; None outside of a cache."""
    real = Path(os.path.realpath(path))
    for place in (real, *real.parents):
        if place.parent.name == _SNAPSHOTS:
            blobs = place.parent.parent / _BLOBS
            if blobs.is_dir() and not blobs.is_symlink():
                return blobs
    return None


def is_cached(path: Path) -> bool:
    """Whether ``path`` is a link by which a cache shows a plain file among its own blobs."""
    try:
        target = path.readlink()
    except OSError:  # no link
        return False
    blobs = blobs_of(path.parent)
    if blobs is None or target.name in {"", ".."}:
        return False
    if os.path.realpath(Path(os.path.realpath(path.parent), target.parent)) != str(blobs):
        return False
    try:
        return stat.S_ISREG((blobs / target.name).lstat().st_mode)
    except OSError:
        return False


def is_plain(path: Path) -> bool:
    """Whether ``path`` is a file that may be read: one of its own, or of a cache."""
    return is_cached(path) if path.is_symlink() else path.is_file()


def check(path: Path) -> None:
    """Refuse ``path``, or anything below it, that is a link but not one of a cache.

    Raises:
        BundleError: names the link.
    """
    for entry in (path, *sorted(path.rglob("*"))):
        if entry.is_symlink() and not is_cached(entry):
            raise BundleError(
                f"{entry}: a link that leads outside of what was sealed; copy the bundle with its "
                "contents (cp -rL), or download it again"
            )
