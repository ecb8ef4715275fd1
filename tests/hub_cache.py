"""A folder as the cache of the hub holds it: every file a link to a blob named by its hash."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

REVISION = "0123456789abcdef0123456789abcdef01234567"


def relay(folder: Path, cache: Path, below: str = "") -> Path:
    """Copy ``folder`` into the cache, as a repository or as a folder of one; where it lies then."""
    repository = cache / "models--somebody--a-bundle"
    blobs, snapshot = repository / "blobs", repository / "snapshots" / REVISION / below
    blobs.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        blob = blobs / hashlib.sha256(path.read_bytes()).hexdigest()
        if not blob.exists():
            shutil.copyfile(path, blob)
        link = snapshot / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot
