"""Damage to the language model's folder of the tiny bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import select
from mobileo_export.parity import mutations
from mobileo_export.parity.language_model.compare import compare_language_model
from mobileo_export.parity.mutations.folder_suite import CASES, RUNTIME
from mobileo_export.parity.mutations.results import MutationSuite
from mobileo_export.parity.references import References
from tests.exports import Exports
from tests.parity import mutants


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


@pytest.fixture(scope="module")
def suite(tiny_bundle: Path, checkpoint: Checkpoint, references: References) -> MutationSuite:
    return mutations.run(tiny_bundle, checkpoint, select("llm"), sites=2, references=references)


def find(kind: str) -> mutations.FolderMutation:
    return next(mutation for mutation in mutations.FOLDER_MUTATIONS if mutation.kind == kind)


def test_every_mutant_is_caught(suite: MutationSuite) -> None:
    assert suite.ok
    assert len(suite.judged("caught")) == len(suite.mutants)
    # Eight bits have no halves of a byte, and the language model no kernels.
    kinds = {m.kind for m in mutations.FOLDER_MUTATIONS} - {"nibbles swapped", "transpose a kernel"}
    assert {m.kind for m in suite.mutants} == kinds


@pytest.mark.parametrize("bits", [6, 5, 4])
def test_every_mutant_of_fewer_bits_is_caught(
    bits: int,
    tiny_checkpoint: Path,
    checkpoint: Checkpoint,
    exported: Exports,
    references: References,
) -> None:
    bundle = exported(tiny_checkpoint, "llm", llm_bits=bits)
    found = mutations.run(bundle, checkpoint, select("llm"), sites=2, references=references)
    assert [str(m) for m in found.mutants if m.verdict != "caught"] == []
    kinds = {m.kind for m in mutations.FOLDER_MUTATIONS} - (
        {"nibbles swapped"} if bits != 4 else set()
    )
    kinds -= {"transpose a kernel"}
    assert {m.kind for m in found.mutants} == kinds


def test_every_catch_is_named(suite: MutationSuite) -> None:
    for mutant in suite.judged("caught"):
        assert mutant.catch is not None
        if mutant.site.module == "config.json":
            assert mutant.catch.problem is not None
            assert mutant.catch.problem.startswith("llm/config.json: says ")
        else:
            assert mutant.catch.rows
            assert "against stored weights" in mutant.catch.case


def broken_rows(
    bundle: Path, mutation: mutations.FolderMutation, site: Any, references: Any, folder: Path
) -> set[str]:
    """Which bounds of the 8-bit rows, those against the checkpoint, a mutant breaks."""
    shutil.copyfile(bundle / manifest.MANIFEST, folder / manifest.MANIFEST)
    mutant = mutants.apply(mutation, site, bundle / "llm", folder / "llm")
    artifact = manifest.read(bundle)["components"]["llm"]["artifacts"][0]
    results = compare_language_model(mutant, artifact, references, RUNTIME)
    eight_bit = [result for result in results if result.gate.precision == "8-bit"]
    assert len(eight_bit) == 2
    return {
        row.metric
        for result in eight_bit
        for case in result.cases
        for output in case.outputs
        for row in output.rows
        if not row.holds
    }


def test_in_eight_bits_only_the_worst_slice_sees_some(
    tiny_bundle: Path, references: References, tmp_path: Path
) -> None:
    """Two rows of the last layer exchanged: loud in two channels, below 4 % of the whole."""
    few = references.only(CASES)
    seen = []
    swap = find("swap two channels")
    for number, site in enumerate(
        s for s in mutants.sites(swap, tiny_bundle / "llm") if "layers.3." in s.module
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        seen.append(broken_rows(tiny_bundle, swap, site, few, folder))
    # The bounds on slices: of any, and of tokens alone.
    assert any(broken and broken <= {"worst_slice", "worst_token"} for broken in seen), seen


def test_a_swap_keeps_rows_and_their_scales_together(tiny_bundle: Path, tmp_path: Path) -> None:
    swap = find("swap two channels")
    site = mutants.sites(swap, tiny_bundle / "llm")[0]
    mutant = mutants.apply(swap, site, tiny_bundle / "llm", tmp_path / "llm")
    before = mutations.Folder(tiny_bundle / "llm").matrix(site.operation)
    after = mutations.Folder(mutant).matrix(site.operation)
    first, second = site.indices
    expected = before.copy()
    expected[[first, second]] = before[[second, first]]
    np.testing.assert_array_equal(after, expected)


def test_settings_are_changed_alone(tiny_bundle: Path, tmp_path: Path) -> None:
    theta = find("wrong rope theta")
    (site,) = mutants.sites(theta, tiny_bundle / "llm")
    mutant = mutants.apply(theta, site, tiny_bundle / "llm", tmp_path / "llm")
    before = json.loads((tiny_bundle / "llm" / "config.json").read_text())
    after = json.loads((mutant / "config.json").read_text())
    assert after == {**before, "rope_theta": 1e4}
    weights = "model.safetensors"
    assert (mutant / weights).read_bytes() == (tiny_bundle / "llm" / weights).read_bytes()
