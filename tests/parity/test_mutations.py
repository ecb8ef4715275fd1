"""Damage to the packages of the tiny bundle: every mutant is caught and named, or proven inert."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import select
from mobileo_export.errors import BundleError, CheckFailedError, UsageError
from mobileo_export.parity import gates, mutations
from mobileo_export.parity import judge as judges
from mobileo_export.parity.mutations.compressed import COMPRESSED_MUTATIONS
from mobileo_export.parity.mutations.results import MutationSuite
from mobileo_export.parity.references import References
from mobileo_export.parity.results import OutputResult
from mobileo_export.progress import Progress
from mobileo_export.runtimes.mil import MilRuntime
from tests.parity import mutants

from .packages import PACKAGES, assert_taken_back_to_the_byte, package

KEY_BIAS = "transformer.transformer_blocks.0.attn2.to_k"
# What is done to the parts of integers and palettes needs a package that has some, see
# tests/parity/compressed.
STORED_EXACTLY = tuple(
    m
    for m in mutations.PACKAGE_MUTATIONS
    if m not in COMPRESSED_MUTATIONS or m.kind == "power of two off by one"
)
KINDS = {m.kind for m in STORED_EXACTLY} | {m.kind for m in mutations.SESSION_MUTATIONS}


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


@pytest.fixture(scope="module")
def suite(tiny_bundle: Path, checkpoint: Checkpoint, references: References) -> MutationSuite:
    return mutations.run(tiny_bundle, checkpoint, select(PACKAGES), references=references)


def without_worst_slice(gate: gates.Gate, name: str, reference: Any, found: Any) -> OutputResult:
    return judges.judge(replace(gate, worst_slice=float("inf")), name, reference, found)


# --- the suite


def test_every_mutant_is_caught(suite: MutationSuite) -> None:
    assert [str(m) for m in suite.mutants if m.verdict != "caught"] == []
    assert suite.ok
    assert len(suite.judged("caught")) >= 80


def test_every_mutant_in_half_precision_is_caught(
    half: Path, checkpoint: Checkpoint, references: References
) -> None:
    found = mutations.run(half, checkpoint, select(PACKAGES), references=references)
    assert [str(m) for m in found.mutants if m.verdict != "caught"] == []
    assert len(found.judged("caught")) >= 80


def test_every_kind_has_a_mutant_and_every_component_many(suite: MutationSuite) -> None:
    assert {mutant.kind for mutant in suite.mutants} == KINDS
    assert [item.gate.component for item in suite.components] == PACKAGES.split(",")
    assert all(len(item.mutants) > 12 for item in suite.components)


def test_every_catch_is_named(suite: MutationSuite) -> None:
    for mutant in suite.judged("caught"):
        catch = mutant.catch
        assert catch is not None
        if catch.problem is None:
            assert catch.case
            assert catch.output
            assert catch.rows
            assert not any(row.holds for row in catch.rows)
            assert catch.worst.split()[0] in {"token", "channel", "patch"}
        else:
            assert catch.case == "stored values"
            assert mutant.kind in {"wrong epsilon", "drop a bias", "power of two off by one"}
            assert mutant.site.module in catch.problem


def test_damage_to_the_last_layer_names_its_channel(suite: MutationSuite) -> None:
    def named(kind: str, module: str) -> str:
        (mutant,) = (
            m for m in suite.judged("caught") if m.kind == kind and m.site.module == module
        )
        assert mutant.catch is not None
        return mutant.catch.worst

    assert named("stale normalisation", "output_proj.1") == "channel 96"
    assert named("flip an exponent bit", "transformer.proj_out") == "channel 3"
    assert named("swap two channels", "transformer.proj_out") in {"channel 2", "channel 5"}


def test_the_equivalent_bias_bears_any_value(
    tiny_bundle: Path, checkpoint: Checkpoint, references: References
) -> None:
    """No output depends on it: only that it is another number than the checkpoint's is seen."""
    found = mutations.run(
        tiny_bundle,
        checkpoint,
        select("dit"),
        kinds=["drop a bias"],
        references=references,
        inspect=False,
    )
    (mutant,) = found.judged("equivalent")
    assert mutant.site.module == KEY_BIAS
    assert mutant.proof is not None
    assert "softmax(s + c) = softmax(s)" in mutant.proof.reason
    assert mutant.proof.difference < 5e-6
    assert mutant.proof.exaggerated < 5e-6
    assert mutant.proof.cases == 7


def test_what_an_artifact_has_no_place_for_is_said(suite: MutationSuite) -> None:
    absent = {item.gate.component: set(item.absent) for item in suite.components}
    compressed = {m.kind for m in mutations.PACKAGE_MUTATIONS if m not in STORED_EXACTLY}
    assert absent["dit"] == {"other upsampling", *compressed}
    assert "permute q, k, v" in absent["mcp"]


def test_results_are_plain_data(suite: MutationSuite) -> None:
    document = json.loads(json.dumps(mutations.as_json(suite), allow_nan=False))
    assert document["caught"] + document["equivalent"] == len(suite.mutants)
    rows = mutations.table_rows(suite)
    assert len(rows) == len(suite.mutants)
    assert all(len(row) == len(mutations.COLUMNS) for row in rows)


# --- gates that cannot see


def test_without_the_stored_values_epsilons_slip(
    tiny_bundle: Path, checkpoint: Checkpoint, references: References
) -> None:
    found = mutations.run(
        tiny_bundle,
        checkpoint,
        select("dit"),
        kinds=["wrong epsilon"],
        references=references,
        inspect=False,
    )
    assert not found.ok
    assert {m.kind for m in found.judged("slipped") + found.judged("within rounding")} == {
        "wrong epsilon"
    }


def test_a_gate_that_holds_for_everything_catches_nothing(
    tiny_bundle: Path, checkpoint: Checkpoint, references: References
) -> None:
    def blind(gate: gates.Gate, name: str, reference: Any, found: Any) -> OutputResult:
        wide = replace(gate, relative_l2=1e9, worst_slice=1e9)
        return judges.judge(wide, name, reference, found)

    kinds = ["swap two channels", "drop a bias"]
    found = mutations.run(
        tiny_bundle,
        checkpoint,
        select("dit"),
        kinds=kinds,
        references=references,
        judge=blind,
        inspect=False,
    )
    assert len(found.judged("slipped")) == 6
    assert len(found.judged("equivalent")) == 1  # proven, not merely unnoticed


def test_in_half_precision_only_the_worst_slice_sees_some(
    half: Path, checkpoint: Checkpoint, references: References
) -> None:
    """Local damage that a relative L2 and a PSNR of 50 dB let pass; outputs alone judge."""
    kinds = ["drop a bias", "flip an exponent bit", "stale normalisation"]
    spots = {}
    for label, judge in (("whole", judges.judge), ("blind", without_worst_slice)):
        found = mutations.run(
            half,
            checkpoint,
            select("vision_encoder"),
            sites=5,
            kinds=kinds,
            references=references,
            judge=judge,
            inspect=False,
        )
        spots[label] = {(mutant.kind, mutant.site) for mutant in found.judged("slipped")}
    assert spots["blind"] > spots["whole"]
    assert len(spots["blind"] - spots["whole"]) >= 3


def test_an_artifact_that_fails_undamaged_is_refused(
    tiny_bundle: Path, checkpoint: Checkpoint, references: References
) -> None:
    def harsh(gate: gates.Gate, name: str, reference: Any, found: Any) -> OutputResult:
        return judges.judge(replace(gate, relative_l2=0.0), name, reference, found)

    with pytest.raises(CheckFailedError, match="fails its gate undamaged"):
        mutations.run(tiny_bundle, checkpoint, select("mcp"), references=references, judge=harsh)


def test_unknown_kinds_and_components_are_refused(sealed: Path, checkpoint: Checkpoint) -> None:
    with pytest.raises(UsageError, match="no mutation 'rot'; choose from"):
        mutations.run(sealed, checkpoint, kinds=["rot"])
    with pytest.raises(BundleError, match="has no vae_decoder"):
        mutations.run(sealed, checkpoint, select("vae_decoder"))
    with pytest.raises(UsageError, match="no mutation 'rot'"):
        mutations.run(sealed, checkpoint, select("mcp"), kinds=["drop a bias", "rot"])


def test_progress_and_an_untouched_bundle(
    sealed: Path, checkpoint: Checkpoint, references: References
) -> None:
    before = {path: path.read_bytes() for path in sealed.rglob("*") if path.is_file()}
    events: list[Progress] = []
    found = mutations.run(
        sealed,
        checkpoint,
        select("mcp"),
        sites=1,
        kinds=["drop a bias"],
        references=references,
        progress=events.append,
    )
    assert len(found.mutants) == 1
    assert events[-1] == Progress("mcp", "mutants", 1, 1)
    assert {path: path.read_bytes() for path in sealed.rglob("*") if path.is_file()} == before


# --- single mutants


@pytest.mark.parametrize("mutation", STORED_EXACTLY, ids=lambda m: m.kind)
def test_a_mutant_is_a_package_that_runs_and_differs(
    tiny_bundle: Path, tmp_path: Path, mutation: mutations.GraphMutation
) -> None:
    component = next(
        name for name in PACKAGES.split(",") if mutants.sites(mutation, package(tiny_bundle, name))
    )
    original = package(tiny_bundle, component)
    sites = mutants.sites(mutation, original)
    assert len(set(sites)) == len(sites)
    assert sites == mutants.sites(mutation, original)
    mutant = mutants.apply(mutation, sites[0], original, tmp_path / original.name)
    MilRuntime().load(mutant)
    changed = [
        path.name
        for path in sorted(mutant.rglob("*"))
        if path.is_file()
        and path.read_bytes() != (original / path.relative_to(mutant)).read_bytes()
    ]
    # Weights that trade places take their power of two along, which lies in the graph.
    both = [["model.mlmodel", "weight.bin"]] if mutation.kind == "permute q, k, v" else []
    assert changed in [["weight.bin"], ["model.mlmodel"], *both]


def test_a_swap_changes_two_rows_and_nothing_else(tiny_bundle: Path, tmp_path: Path) -> None:
    original = package(tiny_bundle, "mcp")
    swap = mutants.find("swap two channels")
    site = mutants.sites(swap, original)[0]
    mutant = mutants.apply(swap, site, original, tmp_path / "mutant.mlpackage")
    weights = "Data/com.apple.CoreML/weights/weight.bin"
    before = np.frombuffer((original / weights).read_bytes(), np.uint16)  # halved, and so stored
    after = np.frombuffer((mutant / weights).read_bytes(), np.uint16)
    assert np.count_nonzero(before != after) == pytest.approx(2 * 128, abs=2)  # some are equal
    assert sorted(before) == sorted(after)


def test_a_mutant_is_taken_back_to_the_byte(tiny_bundle: Path, tmp_path: Path) -> None:
    assert_taken_back_to_the_byte(package(tiny_bundle, "dit"), tmp_path)


def test_only_key_biases_are_inert(tiny_bundle: Path) -> None:
    bias = mutants.find("drop a bias")
    for component in PACKAGES.split(","):
        path = package(tiny_bundle, component)
        graph = mutations.EditedGraph(path)
        inert = [s.module for s in mutants.sites(bias, path) if bias.inert(graph, s)]
        expected = component == "dit"
        assert all(module.endswith("attn2.to_k") for module in inert)
        assert bool(inert) == expected


def test_a_wrong_reason_proves_nothing(
    tiny_bundle: Path,
    checkpoint: Checkpoint,
    references: References,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bias that matters, claimed to be inert, with a gate too wide to see it."""
    from mobileo_export.parity.mutations import subject as module

    bias = mutants.find("drop a bias")
    lying = replace(bias, inert=lambda graph, site: "because")
    monkeypatch.setattr(module, "PACKAGE_MUTATIONS", (lying,))

    def blind(gate: gates.Gate, name: str, reference: Any, found: Any) -> OutputResult:
        wide = replace(gate, relative_l2=1e9, worst_slice=1e9)
        return judges.judge(wide, name, reference, found)

    found = mutations.run(
        tiny_bundle,
        checkpoint,
        select("mcp"),
        kinds=["drop a bias"],
        references=references,
        judge=blind,
        inspect=False,
    )
    assert len(found.judged("slipped")) == 3


def test_an_existing_destination_is_left_alone(tiny_bundle: Path, tmp_path: Path) -> None:
    swap = mutants.find("swap two channels")
    original = package(tiny_bundle, "mcp")
    site = mutants.sites(swap, original)[0]
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="already exists"):
        mutants.apply(swap, site, original, tmp_path / "there")
    assert not any((tmp_path / "there").iterdir())


def test_a_graph_is_read_once_for_many_edits(tiny_bundle: Path) -> None:
    """One that is taken back has none of the edits before, and takes others like one just read."""
    original = package(tiny_bundle, "dit")
    graph = mutations.EditedGraph(original)
    untouched = graph.patch()
    for mutation in STORED_EXACTLY:
        for site in tuple(mutation.sites(graph))[:1]:
            edited, fresh = graph.unedited(), mutations.EditedGraph(original)
            for one in (edited, fresh):
                mutation.edit(one, site)
            assert edited.patch() == fresh.patch() != untouched, mutation.kind
            assert edited.unedited().patch() == graph.patch() == untouched


def test_operations_are_found_behind_one_that_was_inserted(tiny_bundle: Path) -> None:
    graph = mutations.EditedGraph(package(tiny_bundle, "mcp"))
    graph.add_to(graph.inputs[0], 1.0)
    for found in (graph, graph.unedited()):
        assert all(found.spec(op).outputs[0].name == op.outputs[0].name for op in graph.ops)
