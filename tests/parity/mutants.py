"""Single mutants: a mutation by its name, its places in an artifact, and a copy with it done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.parity.mutations import (
    PACKAGE_MUTATIONS,
    EditedGraph,
    Folder,
    FolderMutation,
    GraphMutation,
    Site,
    package_file,
)
from mobileo_export.parity.mutations.base import spread

if TYPE_CHECKING:
    from pathlib import Path


def find(kind: str) -> GraphMutation:
    """The mutation of packages of this name; those of MLX folders are ``FOLDER_MUTATIONS``."""
    return next(mutation for mutation in PACKAGE_MUTATIONS if mutation.kind == kind)


def sites(
    mutation: GraphMutation | FolderMutation, artifact: Path, count: int | None = None
) -> tuple[Site, ...]:
    """Where ``mutation`` can be done, in the artifact's order; ``count`` of them, or all."""
    if isinstance(mutation, GraphMutation):
        found = tuple(mutation.sites(EditedGraph(artifact)))
    else:
        found = tuple(mutation.sites(Folder(artifact)))
    return found if count is None else spread(found, count)


def apply(
    mutation: GraphMutation | FolderMutation, site: Site, artifact: Path, destination: Path
) -> Path:
    """Write a copy of ``artifact``, which is only read, with ``mutation`` done at ``site``."""
    edited: EditedGraph | Folder
    if isinstance(mutation, GraphMutation):
        edited = EditedGraph(artifact)
        mutation.edit(edited, site)
    else:
        edited = Folder(artifact)
        mutation.edit(edited, site)
    package_file.copy(artifact, destination)
    edited.patch().put(destination)
    return destination
