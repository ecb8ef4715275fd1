from __future__ import annotations

from pathlib import Path

import pytest

from mobileo_export.checkpoint import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.parity import constants, mutations


@pytest.fixture(scope="module")
def modules(checkpoint: Checkpoint) -> dict[str, constants.ReferenceModules]:
    names = ("vision_encoder", "mcp", "dit", "vae_decoder")
    return {
        name: constants.ReferenceModules(checkpoint, COMPONENTS[name], "released") for name in names
    }


# How many norms, GELUs and upsamplings the tiny model has.
@pytest.mark.parametrize(
    ("component", "count"),
    [("vision_encoder", 20), ("mcp", 6), ("dit", 9), ("vae_decoder", 10)],
)
def test_an_export_has_the_references_constants(
    tiny_bundle: Path,
    modules: dict[str, constants.ReferenceModules],
    component: str,
    count: int,
) -> None:
    package = tiny_bundle / COMPONENTS[component].artifact
    found = list(constants.check(package, modules[component]))
    assert [str(item) for item in found if not item.ok] == []
    assert len(found) == count


@pytest.mark.parametrize("kind", ["wrong epsilon", "other GELU", "other upsampling"])
@pytest.mark.parametrize("component", ["vision_encoder", "mcp", "dit", "vae_decoder"])
def test_a_wrong_one_is_named_alone(
    tiny_bundle: Path,
    modules: dict[str, constants.ReferenceModules],
    tmp_path: Path,
    component: str,
    kind: str,
) -> None:
    package = tiny_bundle / COMPONENTS[component].artifact
    origins = package.with_suffix(".operations.json")
    (tmp_path / origins.name).write_bytes(origins.read_bytes())
    mutation = mutations.find(kind)
    for site in mutations.sites(mutation, package, 2):
        folder = tmp_path / site.operation
        folder.mkdir()
        (folder / origins.name).write_bytes(origins.read_bytes())
        mutant = mutations.apply(mutation, site, package, folder / package.name)
        wrong = [item for item in constants.check(mutant, modules[component]) if not item.ok]
        assert [item.operation for item in wrong] == [site.operation]
        assert str(wrong[0]).startswith(f"{site.module} ({site.operation}): ")
        assert "the reference has" in str(wrong[0])
