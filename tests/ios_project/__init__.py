"""What must hold of the app that Xcode builds, checked where there is no Xcode.

Each check takes the root of the repository, or of a damaged copy, and gives problems, one a line.
``python -m tests.ios_project`` brings the string catalogs up to the sources: keys that are missing
are added, keys that nobody uses go.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.ios_project.resources import assets, entitlements, plists, privacy
from tests.ios_project.sources import sources
from tests.ios_project.strings import strings
from tests.ios_project.xcode import configurations, package, project

CHECKS: dict[str, Callable[[Path], list[str]]] = {
    check.__name__: check
    for check in (
        project, package, configurations, plists, entitlements, privacy, strings, assets, sources,
    )
}  # fmt: skip
