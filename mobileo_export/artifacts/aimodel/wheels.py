"""Apple's Core AI wheels: betas, whose versions are pinned. Imports none of them."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from mobileo_export.errors import MissingDependencyError
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from collections.abc import Iterable

CORE, TORCH = "coreai-core", "coreai-torch"
# As pyproject.toml pins them: a beta's program and interface are those of its own version.
VERSIONS = {CORE: "1.0.0b3", TORCH: "0.4.3"}


def require(what: str, distributions: Iterable[str]) -> None:
    """Find out that the tested version of each is installed.

    Args:
        what: needs them, as the subject of a sentence.
        distributions: of :data:`VERSIONS`.

    Raises:
        MissingDependencyError: one is missing or of another version.
    """
    names = tuple(distributions)
    extras.need(what, map(extras.module_of, names))
    for name in names:
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "of no stated version"
        if found != VERSIONS[name]:
            raise MissingDependencyError(
                f"{what} needs {name} {VERSIONS[name]}, and {found} is installed: "
                f"{extras.install(extras.COREAI)}"
            )
