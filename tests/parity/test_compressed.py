"""Packages whose weights a plan compresses: exact against what is left, measured against the rest.

Of the tiny checkpoint, by both presets and by a plan with every form there is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from mobileo_export import targets
from mobileo_export.artifacts.mlpackage.expansion import Expanded
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, select
from mobileo_export.compression import plan as plans
from mobileo_export.compression.plan import CompressionPlan
from mobileo_export.compression.schemes import Scheme
from mobileo_export.errors import BundleError
from mobileo_export.parity import compare, gates, mutations
from mobileo_export.parity.chain.compare import compare_chain
from mobileo_export.parity.explain.explain import explain
from mobileo_export.parity.mutations.compressed import COMPRESSED_MUTATIONS
from mobileo_export.parity.references import References
from mobileo_export.parity.results import Comparison, as_json, schema
from mobileo_export.parity.stored_values import compressed, forms, package_graph, stored
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules
from tests.exports import Exports
from tests.parity.conftest import reseal

PACKAGES = "vision_encoder,mcp,dit,vae_decoder"
EVERY_FORM = {
    "schema_version": 1,
    "components": {
        "vision_encoder": {"*.convffn.fc1": "int4 block 8", "*.convffn.*": "palette4 rows 8",
                           "*": "int8"},
        "mcp": {"*": "int8 zero-point"},
        "dit": {"*.conv_depth": "half", "*.attn*.to_q": "int4 block 32 zero-point",
                "*.attn*": "int4 block 32", "*.conv_inverted": "int8 block 32 zero-point",
                "*": "palette6 rows 16"},
        "vae_decoder": {"*": "palette8"},
    },
}  # fmt: skip
PLANS = {
    "w8": plans.load("w8"),
    "small": plans.load("small"),
    "every form": plans.parse("every-form.json", EVERY_FORM),
}
# What a catch by stored values calls the part that was damaged.
PARTS = {
    "power of two off by one": ("power of two", "multiplied by 2"),
    "scale of the wrong block": ("scales", "those of other blocks"),
    "scale doubled": ("scales", "multiplied by 2"),
    "nibbles swapped": ("integers", "neighbours are swapped"),
    "zero point off by one": ("zero points", "are others"),
    "palette permuted": ("palettes", "entries are permuted"),
}
Bundle = Callable[[str], Path]


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


@pytest.fixture(scope="session")
def bundle(tiny_checkpoint: Path, exported: Exports) -> Bundle:
    return lambda name: exported(tiny_checkpoint, PACKAGES, compression=PLANS[name])


@pytest.fixture(scope="module")
def compared(
    bundle: Bundle, checkpoint: Checkpoint, references: References
) -> Callable[[str], Comparison]:
    @cache
    def once(name: str) -> Comparison:
        return compare.compare_bundle(bundle(name), checkpoint, references=references)

    return once


def package(folder: Path, component: str) -> Path:
    return folder / targets.form(COMPONENTS[component], "ios").path


def opened(
    folder: Path, component: str, checkpoint: Checkpoint
) -> compressed.CompressedPackage | None:
    content = manifest.read(folder)
    return compare.compressed_package(folder, content, COMPONENTS[component], checkpoint)


def checked(
    folder: Path, component: str, checkpoint: Checkpoint, mutant: Path | None = None
) -> tuple[str, ...]:
    """What the stored values of a package have against them."""
    whole, place = opened(folder, component, checkpoint), package(folder, component)
    modules = ReferenceModules(checkpoint, COMPONENTS[component], "released")
    operations = place.with_suffix(".operations.json")
    return stored.check(mutant or place, operations, modules, "float32", compressed=whole).wrong


# --- verify


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


# --- mutations


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
            mutations.apply(mutations.find(kind), mutant.site, original, damaged)
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
    assert len(found.caught) >= 70


@pytest.mark.parametrize("component", PACKAGES.split(","))
def test_a_mutant_of_any_form_is_taken_back_to_the_byte(
    bundle: Bundle, tmp_path: Path, component: str
) -> None:
    original = package(bundle("every form"), component)
    copied = mutations.package_file.copy(original, tmp_path / original.name)
    for mutation in mutations.PACKAGE_MUTATIONS:
        for site in mutations.sites(mutation, original, 2):
            graph = mutations.EditedGraph(original)
            mutation.edit(graph, site)
            patch = graph.patch()
            assert patch
            patch.put(copied).put(copied)
    for path in original.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (copied / path.relative_to(original)).read_bytes()


def test_rows_are_swapped_with_their_scales(bundle: Bundle, tmp_path: Path) -> None:
    """What a compressed weight is given comes back from the package, if its form can say it."""
    original = package(bundle("w8"), "dit")
    swap = mutations.find("swap two channels")
    graph = mutations.EditedGraph(original)
    site = next(
        site
        for site in mutations.sites(swap, original)
        if isinstance(weight := graph.constant(graph.op(site.operation), "weight"), Expanded)
        and weight.form == "int8"
    )
    before = graph.values(graph.op(site.operation), "weight")
    mutant = mutations.apply(swap, site, original, tmp_path / original.name)
    changed = mutations.EditedGraph(mutant)
    after = changed.values(changed.op(site.operation), "weight")
    pair = list(site.indices)
    before[pair] = before[pair[::-1]]
    assert np.array_equal(before, after)


# --- matrices whose rounding was chosen for what reaches them


@pytest.fixture
def ready(bundle: Bundle, checkpoint: Checkpoint, tmp_path: Path) -> tuple[Path, list[str]]:
    """A copy whose DiT has four matrices rounded otherwise than to nearest; and their names."""
    copied = Path(shutil.copytree(bundle("every form"), tmp_path / "ready"))
    whole = opened(copied, "dit", checkpoint)
    assert whole is not None
    rng = np.random.default_rng(0)
    modules = ReferenceModules(checkpoint, COMPONENTS["dit"], "released")
    graph = package_graph.load(whole.package, whole.operation_map)
    edited = mutations.EditedGraph(whole.package)
    names = []
    for scheme in ("int4 block 32", "int8 block 32 zero-point", "palette6 rows 16"):
        matrix = next(m for m in whole.matrices(graph, modules) if str(m.scheme) == scheme)
        op = next(
            op
            for op in edited.ops
            if edited.module(op) == matrix.module and op.kind in {"linear", "conv"}
        )
        expands = edited.expands(op, "weight")
        part = "indices" if "palette" in scheme else "data"
        codes = edited.values(expands, part).astype(np.int16)
        low, high = int(codes.min()), int(codes.max())
        # One in eight a step away: 1.6 times as far in all as the nearest.
        moved = codes + rng.choice([-1, *[0] * 14, 1], codes.shape)
        edited.store(expands, part, np.clip(moved, low, high))
        names.append(matrix.name)
    edited.patch().put(whole.package)
    table = copied / "transformer.compression.json"
    content = json.loads(table.read_text())
    for name in names:
        content["matrices"][name]["calibrated"] = True
    table.write_text(json.dumps(content))
    reseal(copied)
    return copied, names


def test_another_rounding_is_taken_as_it_is(
    ready: tuple[Path, list[str]], checkpoint: Checkpoint, references: References
) -> None:
    found = compare.compare_bundle(ready[0], checkpoint, select("dit"), references=references)
    assert found.ok, found.failures()
    values = found.components[0].stored
    assert values is not None
    assert values.calibrated == 3
    assert values.equal == values.compared


def test_another_rounding_that_nothing_states_is_named(
    ready: tuple[Path, list[str]], checkpoint: Checkpoint
) -> None:
    table = ready[0] / "transformer.compression.json"
    content = json.loads(table.read_text())
    for entry in content["matrices"].values():
        entry.pop("calibrated", None)
    table.write_text(json.dumps(content))
    lines = checked(ready[0], "dit", checkpoint)
    assert len(lines) == 3
    assert all("are others, first" in line for line in lines)


@pytest.mark.parametrize("kind", PARTS)
def test_no_rounding_explains_damage(
    ready: tuple[Path, list[str]], checkpoint: Checkpoint, tmp_path: Path, kind: str
) -> None:
    """Of each form, where a calibrated matrix has such a part."""
    folder, names = ready
    whole = opened(folder, "dit", checkpoint)
    assert whole is not None
    mutation = mutations.find(kind)
    for site in mutations.sites(mutation, whole.package):
        name = site.module.removeprefix("transformer.")
        if name not in names:
            continue
        damaged = tmp_path / f"{name}-{kind}"
        mutations.apply(mutation, site, whole.package, damaged)
        lines = checked(folder, "dit", checkpoint, damaged)
        assert len(lines) == 1, (site, lines)
        anew = kind in {"scale of the wrong block", "scale doubled", "zero point off by one"}
        assert ("are others" if anew else "are no rounding of the checkpoint's") in lines[0]


def test_a_table_that_cannot_be_read_is_a_finding(
    ready: tuple[Path, list[str]], checkpoint: Checkpoint
) -> None:
    (ready[0] / "transformer.compression.json").write_text('{"matrices": [1]}')
    with pytest.raises(BundleError, match="not a table of stored matrices"):
        opened(ready[0], "dit", checkpoint)


# --- explain


def test_explain_names_the_part(
    bundle: Bundle, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(bundle("every form"), tmp_path / "bundle"))
    sound = explain(copied, checkpoint, COMPONENTS["dit"], references=references)
    assert sound.finding is None
    assert sound.notes == ()
    original = package(copied, "dit")
    mutation = mutations.find("palette permuted")
    site = mutations.sites(mutation, original)[3]
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


# --- the parts, one by one


def tripled(scales: np.ndarray) -> None:
    scales[2, 0] *= 3


def exchanged(scales: np.ndarray) -> None:
    scales[[1, 2]] = scales[[2, 1]]


def moved(points: np.ndarray) -> None:
    points += np.uint8(2)


def turned(integers: np.ndarray) -> None:
    pairs = integers.reshape(-1, 2)
    pairs[...] = pairs[:, ::-1].copy()


def reversed_table(tables: np.ndarray) -> None:
    tables[0] = tables[0][..., ::-1, :].copy()


def one_more(integers: np.ndarray) -> None:
    integers[3, 1] += 1


@pytest.mark.parametrize(
    ("name", "damage", "text"),
    [
        ("scales", tripled, "1 of 6 scales are others, first [2, 0]: multiplied by 3"),
        ("scales", exchanged, "2 of 6 scales are others, first [1, 0]: those of other blocks"),
        ("zero points", moved, "off by +2"),
        ("integers", turned, "each two neighbours are swapped"),
        ("palettes", reversed_table, "entries are permuted"),
        ("integers", one_more, "1 of 24 integers are others, first [3, 1]"),
    ],
)
def test_what_was_done_to_a_part_is_said(
    name: str, damage: Callable[[np.ndarray], None], text: str
) -> None:
    shapes = {"palettes": (2, 1, 8, 1), "scales": (6, 1), "zero points": (6, 1)}
    rng = np.random.default_rng(0)
    if name in ("scales", "palettes"):
        wanted = rng.normal(0, 1, shapes[name]).astype(np.float32)
    else:
        wanted = rng.integers(0, 9, shapes.get(name, (6, 4))).astype(np.uint8)
    found = wanted.copy()
    assert forms.told(name, found, wanted) is None
    damage(found)
    said = forms.told(name, found, wanted)
    assert said is not None
    assert text in said
    assert name in said


def test_the_reference_has_the_values_that_the_package_expands_to(
    bundle: Bundle, checkpoint: Checkpoint
) -> None:
    """Made anew and read are the same to the bit: folded convolutions too."""
    for component in PACKAGES.split(","):
        whole = opened(bundle("every form"), component, checkpoint)
        assert whole is not None
        graph = package_graph.load(whole.package, whole.operation_map)
        modules = ReferenceModules(checkpoint, COMPONENTS[component], "released")
        found = whole.matrices(graph, modules)
        assert len(found) >= 4
        folded = [m for m in found if len(m.recipe.names) > 1]
        assert bool(folded) == (component == "vision_encoder")
        for matrix in found:
            assert matrix.problem(modules) is None
            made = matrix.state(modules)[matrix.recipe.names[0]]
            assert made.tobytes() == matrix.constant.values.tobytes(), matrix.name


def test_a_row_of_compressed_weights_says_how_coarse_it_is() -> None:
    """And beside it there is an exact one, with the bounds of weights that are not compressed."""
    for gate in gates.GATES:
        if gate.component != "llm" and gate.precision not in ("float32", "float16"):
            assert gate.worst_slice is not None
            assert gate.coarse == (gate.worst_slice > 0.4)
            exact = gates.find(gate.component, "float32", gate.runtime, "stored weights")
            assert exact.relative_l2 is not None
            plain = "mil" if gate.runtime.startswith("mlx") else gate.runtime
            assert replace(exact, runtime=plain, against="checkpoint") in gates.GATES
