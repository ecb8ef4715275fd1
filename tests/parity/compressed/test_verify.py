"""``verify`` of compressed packages: exact against what is left, measured against the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, select
from mobileo_export.compression.plan import CompressionPlan
from mobileo_export.compression.schemes import Scheme
from mobileo_export.parity import compare, gates
from mobileo_export.parity.chain.compare import compare_chain
from mobileo_export.parity.references import References
from mobileo_export.parity.results import Comparison, as_json, schema
from mobileo_export.parity.stored_values import compressed
from tests.exports import Exports
from tests.parity.packages import PACKAGES, package

from .conftest import PLANS, Bundle, opened


@pytest.fixture(scope="module")
def compared(
    bundle: Bundle, checkpoint: Checkpoint, references: References
) -> Callable[[str], Comparison]:
    @cache
    def once(name: str) -> Comparison:
        return compare.compare_bundle(bundle(name), checkpoint, references=references)

    return once


@pytest.mark.parametrize("name", PLANS)
def test_what_is_left_is_computed_as_exactly_as_any_weights(
    bundle: Bundle, checkpoint: Checkpoint, compared: Callable[[str], Comparison], name: str
) -> None:
    found = compared(name)
    assert found.ok, found.failures()
    jsonschema.validate(as_json(found), schema())
    for component in PACKAGES.split(","):
        results = [r for r in found.components if r.gate.component == component]
        plain = gates.find(component, "float32", "mil")
        exact = results[0]
        assert exact.stored is not None
        assert exact.stored.equal == exact.stored.compared > 20
        assert (exact.gate.relative_l2, exact.gate.worst_slice, exact.gate.slice_floor) == (
            plain.relative_l2,
            plain.worst_slice,
            plain.slice_floor,
        )
        if opened(bundle(name), component, checkpoint) is None:
            assert [r.gate for r in results] == [plain]
        else:
            assert exact.gate.against == "stored weights"
            assert [r.gate.against for r in results[1:]] in ([], ["checkpoint"])
            skipped = any(skip.component == component for skip in found.skipped)
            assert skipped == (len(results) == 1)
            for case in results[1].cases if len(results) > 1 else ():
                assert all(row.value > 1e-5 for row in case.outputs[0].rows[1:])


def test_what_no_bound_can_judge_is_said(compared: Callable[[str], Comparison]) -> None:
    found = compared("every form")
    said = {skip.component: skip.reason for skip in found.skipped if "bound" in skip.reason}
    assert said.keys() == {"vision_encoder", "dit"}
    for reason in said.values():
        assert reason.startswith("against the checkpoint: what 4-bit weights cost no bound tells")
    # The others are: by the fewest bits of any matrix.
    measured = {
        r.gate.component: r.gate.precision
        for r in found.components
        if r.gate.against == "checkpoint"
    }
    assert measured == {"mcp": "8-bit", "vae_decoder": "8-bit"}


@pytest.mark.parametrize("component", PACKAGES.split(","))
@pytest.mark.parametrize("bits", [16, 8, 6, 4, 3, 2, 1])
def test_a_row_for_every_width_or_a_word_why_not(
    checkpoint: Checkpoint, component: str, bits: int
) -> None:
    scheme = Scheme("half") if bits == 16 else Scheme("palette", bits)
    plan = CompressionPlan("own", {component: {"*": scheme}})
    whole = compressed.CompressedPackage(COMPONENTS[component], Path("p"), Path("m"), plan)
    gate = whole.gate("mil", checkpoint)
    assert whole.label(checkpoint.model) == f"{bits}-bit"
    assert (gate is None) == (bits < (4 if component == "mcp" else 6))
    assert gate is None or not gate.provisional


def test_a_plan_that_leaves_a_component_exact_is_no_plan_for_it(
    bundle: Bundle, checkpoint: Checkpoint
) -> None:
    assert opened(bundle("w8"), "mcp", checkpoint) is None
    assert opened(bundle("w8"), "dit", checkpoint) is not None
    plan = CompressionPlan("own", {"dit": {"*": Scheme("exact")}})
    assert compressed.fewest_bits(plan, COMPONENTS["dit"], checkpoint.model) is None


def test_an_operation_map_that_is_missing_is_a_finding(
    bundle: Bundle, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(bundle("w8"), tmp_path / "bundle"))
    package(copied, "dit").with_suffix(".operations.json").unlink()
    found = compare.compare_bundle(copied, checkpoint, select("dit"), references=references)
    assert not found.ok
    assert "operations.json: missing" in found.failures()[0]


def test_another_plan_than_the_stored_one_is_named(
    bundle: Bundle, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    """Whoever states other rules: both rows fail, and the form is named."""
    copied = Path(shutil.copytree(bundle("every form"), tmp_path / "bundle"))
    path = copied / manifest.MANIFEST
    content = json.loads(path.read_text())
    options = content["components"]["dit"]["artifacts"][0]["options"]
    options["rules"] = [{"matrices": "*", "scheme": "int8"}]
    path.write_text(json.dumps(content))
    found = compare.compare_bundle(copied, checkpoint, select("dit"), references=references)
    exact = found.components[0]
    assert not any(case.ok for case in exact.cases)
    assert exact.problem is not None
    assert "is stored as indices uint6[576, 96], lut fp32[" in exact.problem
    assert "the plan says int8" in exact.problem


def test_pictures_are_held_against_both(
    tiny_checkpoint: Path, checkpoint: Checkpoint, exported: Exports
) -> None:
    whole = exported(tiny_checkpoint, compression=PLANS["w8"])
    found = compare_chain(whole, checkpoint, steps=2)
    assert [chain.name for chain in found.chains[:2]] == ["prompt", "edit"]
    assert (found.gate.against, found.gate.psnr, found.gate.latent) == (
        "stored weights", 60.0, 2e-5,
    )  # fmt: skip
    assert all(chain.ok for chain in found.chains), found.failures()
    for chain in found.chains[2:]:
        assert chain.name.endswith(", against the checkpoint")
        assert chain.gate is not None
        assert chain.gate.against == "checkpoint"
        assert chain.steps[-1].latent.relative_l2 > 1e-4
