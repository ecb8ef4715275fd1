"""Damage to compressed weights: caught, and the part that was damaged is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mobileo_export.artifacts.mlpackage.expansion import Expanded
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, select
from mobileo_export.parity import mutations
from mobileo_export.parity.explain.explain import explain
from mobileo_export.parity.mutations.compressed import COMPRESSED_MUTATIONS
from mobileo_export.parity.references import References
from tests.parity import mutants
from tests.parity.conftest import reseal
from tests.parity.packages import PACKAGES, assert_taken_back_to_the_byte, package

from .conftest import PARTS, PLANS, Bundle, checked


@pytest.mark.parametrize("name", PLANS)
def test_damage_to_one_part_is_caught_and_named(
    bundle: Bundle, checkpoint: Checkpoint, references: References, tmp_path: Path, name: str
) -> None:
    found = mutations.run(
        bundle(name),
        checkpoint,
        select(PACKAGES),
        sites=2,
        kinds=[mutation.kind for mutation in COMPRESSED_MUTATIONS],
        references=references,
    )
    assert [str(mutant) for mutant in found.mutants if mutant.verdict != "caught"] == []
    kinds = {mutant.kind for mutant in found.mutants}
    assert kinds >= {"scale of the wrong block", "scale doubled", "power of two off by one"}
    assert name == "w8" or kinds >= {"nibbles swapped", "palette permuted"}
    assert name != "every form" or kinds == set(PARTS)
    for component in found.components:
        for kind in {mutant.kind for mutant in component.mutants}:
            mutant = next(m for m in component.mutants if m.kind == kind)
            name_of = component.gate.component
            original = package(bundle(name), name_of)
            damaged = tmp_path / f"{name_of}-{kind}"
            mutants.apply(mutants.find(kind), mutant.site, original, damaged)
            (line,) = checked(bundle(name), name_of, checkpoint, damaged)
            assert line.startswith(f"{mutant.site.module} (")
            part, how = PARTS[kind]
            if kind == "nibbles swapped" and "indices" in line:
                part = "indices"
            if kind != "power of two off by one" or "power of two" in line:
                assert part in line, line
                assert how in line, line


def test_every_other_mutant_of_compressed_weights_is_caught(
    bundle: Bundle, checkpoint: Checkpoint, references: References
) -> None:
    """Rows swapped, q, k and v exchanged, bits flipped: in the form that is there."""
    found = mutations.run(
        bundle("every form"), checkpoint, select(PACKAGES), sites=2, references=references
    )
    assert [str(mutant) for mutant in found.mutants if mutant.verdict != "caught"] == []
    assert len(found.judged("caught")) >= 70


@pytest.mark.parametrize("component", PACKAGES.split(","))
def test_a_mutant_of_any_form_is_taken_back_to_the_byte(
    bundle: Bundle, tmp_path: Path, component: str
) -> None:
    assert_taken_back_to_the_byte(package(bundle("every form"), component), tmp_path)


def test_rows_are_swapped_with_their_scales(bundle: Bundle, tmp_path: Path) -> None:
    """What a compressed weight is given comes back from the package, if its form can say it."""
    original = package(bundle("w8"), "dit")
    swap = mutants.find("swap two channels")
    graph = mutations.EditedGraph(original)
    site = next(
        site
        for site in mutants.sites(swap, original)
        if isinstance(weight := graph.constant(graph.op(site.operation), "weight"), Expanded)
        and weight.form == "int8"
    )
    before = graph.values(graph.op(site.operation), "weight")
    mutant = mutants.apply(swap, site, original, tmp_path / original.name)
    changed = mutations.EditedGraph(mutant)
    after = changed.values(changed.op(site.operation), "weight")
    pair = list(site.indices)
    before[pair] = before[pair[::-1]]
    assert np.array_equal(before, after)


def test_explain_names_the_part(
    bundle: Bundle, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(bundle("every form"), tmp_path / "bundle"))
    sound = explain(copied, checkpoint, COMPONENTS["dit"], references=references)
    assert sound.finding is None
    assert sound.notes == ()
    original = package(copied, "dit")
    mutation = mutants.find("palette permuted")
    site = mutants.sites(mutation, original)[3]
    graph = mutations.EditedGraph(original)
    mutation.edit(graph, site)
    graph.patch().put(original)
    reseal(copied)
    found = explain(copied, checkpoint, COMPONENTS["dit"], references=references).finding
    assert found is not None
    assert found.kind == "compressed otherwise"
    assert found.place.module == site.module
    assert found.cause.startswith("compressed otherwise")
    assert "palette6 rows 16: " in found.cause
    assert "entries are permuted" in found.cause
    assert "the plan that it states" in found.fix
