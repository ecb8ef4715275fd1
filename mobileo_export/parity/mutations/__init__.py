"""Damage saved artifacts in the ways that tools go wrong, and see that the gates notice."""

from __future__ import annotations

from mobileo_export.parity.mutations.base import (
    FolderMutation,
    GraphMutation,
    SessionMutation,
    Site,
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
    "as_json",
    "choose",
    "run",
    "table_rows",
]
