"""Damage saved artifacts in the ways that tools go wrong, and see that the gates notice.

>>> from mobileo_export.parity import mutations
>>> mutation = mutations.find("swap two channels")
>>> site = mutations.sites(mutation, package)[0]
>>> mutations.apply(mutation, site, package, folder / package.name)
"""

from __future__ import annotations

from pathlib import Path

from mobileo_export.errors import UsageError
from mobileo_export.parity.mutations import package_file
from mobileo_export.parity.mutations.base import (
    FolderMutation,
    GraphMutation,
    SessionMutation,
    Site,
    spread,
)
from mobileo_export.parity.mutations.folder import Folder
from mobileo_export.parity.mutations.graph import EditedGraph
from mobileo_export.parity.mutations.language_model import FOLDER_MUTATIONS
from mobileo_export.parity.mutations.results import (
    COLUMNS,
    MutantResult,
    MutationSuite,
    as_json,
    table_rows,
)
from mobileo_export.parity.mutations.sessions import SESSION_MUTATIONS
from mobileo_export.parity.mutations.subject import PACKAGE_MUTATIONS
from mobileo_export.parity.mutations.suite import choose, run

__all__ = [
    "COLUMNS",
    "FOLDER_MUTATIONS",
    "PACKAGE_MUTATIONS",
    "SESSION_MUTATIONS",
    "EditedGraph",
    "Folder",
    "FolderMutation",
    "GraphMutation",
    "MutantResult",
    "MutationSuite",
    "SessionMutation",
    "Site",
    "apply",
    "as_json",
    "choose",
    "find",
    "run",
    "sites",
    "table_rows",
]

Mutation = GraphMutation | FolderMutation


def find(kind: str) -> GraphMutation:
    """The package mutation of this name; those of the MLX folder are :data:`FOLDER_MUTATIONS`.

    Raises:
        UsageError: there is none; the names that exist are listed.
    """
    for mutation in PACKAGE_MUTATIONS:
        if mutation.kind == kind:
            return mutation
    names = ", ".join(mutation.kind for mutation in PACKAGE_MUTATIONS)
    raise UsageError(f"no mutation {kind!r}; choose from {names}")


def sites(mutation: Mutation, package: Path, count: int | None = None) -> tuple[Site, ...]:
    """Where ``mutation`` can be done in the package at ``package``, in the graph's order.

    Args:
        mutation: which.
        package: an ``.mlpackage`` (the ``.operations.json`` beside it gives the torch modules), or
            an MLX folder for a mutation of such.
        count: so many of them, evenly from the first to the last; None for all.
    """
    found = (
        tuple(mutation.sites(EditedGraph(package)))
        if isinstance(mutation, GraphMutation)
        else tuple(mutation.sites(Folder(package)))
    )
    return found if count is None else spread(found, count)


def apply(mutation: Mutation, site: Site, package: Path, destination: Path) -> Path:
    """Write a copy of ``package`` with ``mutation`` done at ``site``; returns ``destination``.

    The copy shares the original's extents where the file system can (``FICLONE``), so that only
    what differs takes room. The original is only read.

    Args:
        mutation: one of :data:`PACKAGE_MUTATIONS`, see :func:`find`, or of
            :data:`FOLDER_MUTATIONS`.
        site: one of :func:`sites` of this very package.
        package: an ``.mlpackage``, or an MLX folder.
        destination: the new package; must not exist.

    Raises:
        UsageError: ``destination`` exists or its disk has no room.
        BundleError: the package is damaged already.
    """
    if isinstance(mutation, GraphMutation):
        graph = EditedGraph(package)
        mutation.edit(graph, site)
        patch = graph.patch()
    else:
        folder = Folder(package)
        mutation.edit(folder, site)
        patch = folder.patch()
    package_file.copy(package, destination)
    patch.put(destination)
    return destination
