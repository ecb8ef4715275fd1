"""The packages of a bundle, and damage to copies of them that is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export import targets
from mobileo_export.components import COMPONENTS
from mobileo_export.parity import mutations
from mobileo_export.parity.mutations import package_file
from mobileo_export.parity.mutations.base import spread

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = "vision_encoder,mcp,dit,vae_decoder"


def package(bundle: Path, component: str) -> Path:
    """Where the package of a component lies in a bundle."""
    return bundle / targets.form(COMPONENTS[component], "ios").path


def assert_taken_back_to_the_byte(original: Path, folder: Path) -> None:
    """Do every mutation to a copy in ``folder`` and undo it: the copy is the original again."""
    copied = package_file.copy(original, folder / original.name)
    graph = mutations.EditedGraph(original)
    for mutation in mutations.PACKAGE_MUTATIONS:
        for site in spread(tuple(mutation.sites(graph)), 2):
            edited = graph.unedited()
            mutation.edit(edited, site)
            patch = edited.patch()
            assert patch
            patch.put(copied).put(copied)
    for path in original.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (copied / path.relative_to(original)).read_bytes()
