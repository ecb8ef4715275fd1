from __future__ import annotations

from pathlib import Path

import pytest

from mobileo_export import targets
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.parity.stored_values import constants, package_graph
from mobileo_export.parity.stored_values.package_graph import PackageGraph
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules
from tests.parity import mutants


@pytest.fixture(scope="module")
def modules(checkpoint: Checkpoint) -> dict[str, ReferenceModules]:
    names = ("vision_encoder", "mcp", "dit", "vae_decoder")
    return {name: ReferenceModules(checkpoint, COMPONENTS[name], "released") for name in names}


def graph(package: Path, original: Path | None = None) -> PackageGraph:
    operations = (original or package).with_suffix(".operations.json")
    return package_graph.load(package, operations)


# How many norms, GELUs and upsamplings the tiny model has.
@pytest.mark.parametrize(
    ("component", "count"),
    [("vision_encoder", 20), ("mcp", 6), ("dit", 9), ("vae_decoder", 10)],
)
def test_an_export_has_the_references_constants(
    tiny_bundle: Path,
    modules: dict[str, ReferenceModules],
    component: str,
    count: int,
) -> None:
    package = tiny_bundle / targets.form(COMPONENTS[component], "ios").path
    found = list(constants.check(graph(package), modules[component].root))
    assert [str(item) for item in found if not item.ok] == []
    assert len(found) == count


@pytest.mark.parametrize("kind", ["wrong epsilon", "other GELU", "other upsampling"])
@pytest.mark.parametrize("component", ["vision_encoder", "mcp", "dit", "vae_decoder"])
def test_a_wrong_one_is_named_alone(
    tiny_bundle: Path,
    modules: dict[str, ReferenceModules],
    tmp_path: Path,
    component: str,
    kind: str,
) -> None:
    package = tiny_bundle / targets.form(COMPONENTS[component], "ios").path
    mutation = mutants.find(kind)
    for site in mutants.sites(mutation, package, 2):
        mutant = mutants.apply(mutation, site, package, tmp_path / site.operation)
        found = constants.check(graph(mutant, package), modules[component].root)
        wrong = [item for item in found if not item.ok]
        assert [item.operation for item in wrong] == [site.operation]
        assert str(wrong[0]).startswith(f"{site.module} ({site.operation}): ")
        assert "the reference has" in str(wrong[0])
