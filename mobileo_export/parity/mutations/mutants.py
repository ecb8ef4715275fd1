"""The mutants of one artifact: each mutation at each of its places, made and judged in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from mobileo_export.parity.gates import Gate
from mobileo_export.parity.mutations.base import (
    FolderMutation,
    GraphMutation,
    SessionMutation,
    Site,
)
from mobileo_export.parity.mutations.results import ComponentSuite, MutantResult
from mobileo_export.progress import OnProgress, Progress

_Mutation = TypeVar("_Mutation", bound=GraphMutation | FolderMutation | SessionMutation)


def every(
    gate: Gate,
    mutations: Iterable[_Mutation],
    places: Callable[[_Mutation], tuple[Site, ...]],
    mutant: Callable[[_Mutation, Site], MutantResult],
    progress: OnProgress,
) -> ComponentSuite:
    """What ``mutant`` finds of each of the ``places``; those known before the first is made."""
    sites = [(mutation, places(mutation)) for mutation in mutations]
    planned = [(mutation, site) for mutation, found in sites for site in found]
    mutants = []
    for done, (mutation, site) in enumerate(planned):
        progress(Progress(gate.component, "mutants", done, len(planned)))
        mutants.append(mutant(mutation, site))
    progress(Progress(gate.component, "mutants", len(planned), len(planned)))
    absent = tuple(mutation.kind for mutation, found in sites if not found)
    return ComponentSuite(gate, tuple(mutants), absent)
