"""Where a page comes from: what ran, and date and commit where the environment states them."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def without_path(place: str) -> str:
    """The name alone of a folder that was given from the root: the rest is of one machine."""
    return PurePath(place).name if PurePath(place).is_absolute() else place


def made_with(runtimes: Iterable[str], libraries: Iterable[str] = ()) -> dict[str, str]:
    """System, Python, ``libraries``, and those of the runtimes that took part; date and commit."""
    from mobileo_export.runtimes import registry, tf32

    ran = [registry.ENTRIES[name] for name in runtimes if name in registry.ENTRIES]
    used = {*libraries, *(module for entry in ran for module in entry.imports)}
    found = {"system": f"{platform.system()} {platform.machine()}"}
    found["Python"] = platform.python_version()
    for library in sorted(used):
        with suppress(metadata.PackageNotFoundError):
            found[library] = metadata.version(library)
    if any(entry.metal for entry in ran):
        found[tf32.VARIABLE] = "1" if tf32.is_on() else "0"
    return {**found, **_stated()}


def _stated() -> dict[str, str]:
    """A page takes neither from a clock: the same values give the same page."""
    found = {}
    if date := os.environ.get("SOURCE_DATE_EPOCH"):
        found["date"] = date
        with suppress(ValueError, OverflowError, OSError):
            found["date"] = f"{datetime.fromtimestamp(int(date), timezone.utc):%Y-%m-%d %H:%M} UTC"
    if commit := os.environ.get("GITHUB_SHA"):
        found["commit"] = commit
    return found
