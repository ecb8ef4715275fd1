"""The constants of packages against the checkpoint: all of them, and each that is another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mobileo_export import targets
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import BundleError
from mobileo_export.parity import mutations
from mobileo_export.parity.gates import Precision
from mobileo_export.parity.results import StoredValues
from mobileo_export.parity.stored_values import package_graph, parameters, stored
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules

PACKAGES = ("vision_encoder", "mcp", "dit", "vae_decoder")
# What no tensor of the checkpoint says: the frequencies of the timestep's sinusoid.
NOT_TRACED = {"dit": "transformer.time_embed.emb.time_proj: "}
FOLDED = "tower.stages.0.blocks.0.mlp.conv.bn"
Change = Callable[[np.ndarray], None]


@pytest.fixture(scope="module")
def modules(checkpoint: Checkpoint) -> dict[str, ReferenceModules]:
    return {name: ReferenceModules(checkpoint, COMPONENTS[name], "released") for name in PACKAGES}


def check(
    bundle: Path,
    component: str,
    modules: dict[str, ReferenceModules],
    precision: Precision = "float32",
    mutant: Path | None = None,
) -> StoredValues:
    package = bundle / targets.form(COMPONENTS[component], "ios").path
    operations = package.with_suffix(".operations.json")
    return stored.check(mutant or package, operations, modules[component], precision)


def damaged(
    bundle: Path, component: str, module: str, kind: str, parameter: str, change: Change, to: Path
) -> Path:
    """A copy of the package with one constant changed."""
    package = bundle / targets.form(COMPONENTS[component], "ios").path
    graph = mutations.EditedGraph(package)
    op = next(op for op in graph.ops if op.kind == kind and graph.module(op) == module)
    values = graph.values(op, parameter)
    change(values)
    graph.store(op, parameter, values)
    mutations.package_file.copy(package, to)
    graph.patch().put(to)
    return to


def accept_all(component: str, found: StoredValues, counts: tuple[int, int]) -> None:
    assert found.wrong == ()
    assert found.problem is None
    assert (found.compared, found.equal, found.settings_equal) == (counts[0], *counts)
    assert found.settings == found.settings_equal
    assert found.traced_share > 0.999
    assert len(found.not_traced) == (component in NOT_TRACED)
    assert all(name.startswith(NOT_TRACED[component]) for name in found.not_traced)


@pytest.mark.parametrize(
    ("component", "counts"),
    [("vision_encoder", (90, 20)), ("mcp", (29, 6)), ("dit", (82, 9)), ("vae_decoder", (60, 10))],
)
def test_an_export_stores_the_checkpoint(
    tiny_bundle: Path,
    modules: dict[str, ReferenceModules],
    component: str,
    counts: tuple[int, int],
) -> None:
    accept_all(component, check(tiny_bundle, component, modules), counts)


@pytest.mark.parametrize(("component", "counts"), [("vision_encoder", (90, 20)), ("dit", (82, 9))])
def test_an_export_in_half_precision_stores_its_rounding(
    half: Path, modules: dict[str, ReferenceModules], component: str, counts: tuple[int, int]
) -> None:
    accept_all(component, check(half, component, modules, "float16"), counts)
    refused = check(half, component, modules, "float32")
    assert "is float16 in a float32 package" in refused.wrong[0]


@pytest.mark.parametrize("component", PACKAGES)
def test_every_tensor_is_in_a_constant(
    tiny_bundle: Path, modules: dict[str, ReferenceModules], component: str
) -> None:
    """Nothing is accepted because nothing was asked: each recipe's tensors make up the whole."""
    package = tiny_bundle / targets.form(COMPONENTS[component], "ios").path
    graph = package_graph.load(package, package.with_suffix(".operations.json"))
    used: set[str] = set()
    for op in graph.ops:
        for constant in graph.constants(op):
            if constant.values.dtype.kind == "f" and constant.values.size > 1:
                root = modules[component].root
                recipe = parameters.recipe_for(root, graph.origin(op).module, op.kind, constant)
                used.update(recipe.names if recipe else ())
    left = modules[component].names.keys() - used
    assert all(name.endswith(".num_batches_tracked") for name in left)


def nudge(values: np.ndarray) -> None:
    flat = values.reshape(-1)
    flat[3] = np.nextafter(flat[3], flat.dtype.type(9))


def nudge_half(values: np.ndarray) -> None:
    """To the next number of eleven significant bits: the least that a halved weight can be off."""
    flat = values.reshape(-1)
    flat[3] = np.nextafter(np.float16(flat[3]), np.float16(9))


def nudge_far(values: np.ndarray) -> None:
    values.reshape(-1)[3] *= values.dtype.type(1.004)


def swap(values: np.ndarray) -> None:
    values[[1, 4]] = values[[4, 1]]


DIT = "transformer.transformer_blocks.1"
DAMAGE = [
    ("dit", f"{DIT}.attn2.to_k", "linear", "weight", nudge_half, "to_k.weight becomes: "),
    ("dit", f"{DIT}.attn2.to_k", "linear", "weight", swap, "within [1…4, 0…95]"),
    ("dit", DIT, "add", "x", nudge, "scale_shift_table becomes: "),
    ("vision_encoder", FOLDED, "conv", "weight", nudge_far, "conv.weight and "),
    ("vision_encoder", FOLDED, "conv", "bias", nudge_far, "bn.weight and "),
]


@pytest.mark.parametrize(("component", "module", "kind", "parameter", "change", "text"), DAMAGE)
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_one_value_that_is_another_is_named(
    tiny_bundle: Path,
    half: Path,
    modules: dict[str, ReferenceModules],
    tmp_path: Path,
    precision: Precision,
    component: str,
    module: str,
    kind: str,
    parameter: str,
    change: Change,
    text: str,
) -> None:
    bundle = tiny_bundle if precision == "float32" else half
    mutant = damaged(bundle, component, module, kind, parameter, change, tmp_path / "mutant")
    found = check(bundle, component, modules, precision, mutant)
    (line,) = found.wrong
    assert line.startswith(f"{module} (")
    assert text in line
    assert found.equal == found.compared - 1
    assert found.problem == line


def test_the_fusion_is_compared(
    tiny_bundle: Path, modules: dict[str, ReferenceModules], tmp_path: Path
) -> None:
    def tilt(values: np.ndarray) -> None:
        values[...] = values[:, ::-1]

    mutant = damaged(tiny_bundle, "mcp", "", "mul", "y", tilt, tmp_path / "mutant")
    (line,) = check(tiny_bundle, "mcp", modules, mutant=mutant).wrong
    assert "layer_weights and " in line


def test_a_bias_that_no_operation_has_is_missed(
    tiny_bundle: Path, modules: dict[str, ReferenceModules], tmp_path: Path
) -> None:
    package = tiny_bundle / targets.form(COMPONENTS["mcp"], "ios").path
    graph = mutations.EditedGraph(package)
    op = next(o for o in graph.ops if o.kind == "linear" and graph.module(o) == "output_proj.0")
    del graph.spec(op).inputs["bias"]
    mutant = mutations.package_file.copy(package, tmp_path / "mutant")
    graph.patch().put(mutant)
    found = check(tiny_bundle, "mcp", modules, mutant=mutant)
    (line,) = found.wrong
    assert line.startswith("output_proj.0.bias: no constant holds the checkpoint's ")


def test_a_map_that_names_nothing_is_no_pass(
    tiny_bundle: Path, modules: dict[str, ReferenceModules], tmp_path: Path
) -> None:
    empty = tmp_path / "empty.json"
    empty.write_text('{"schema_version": 1, "operations": {}}')
    package = tiny_bundle / targets.form(COMPONENTS["mcp"], "ios").path
    assert stored.check(package, empty, modules["mcp"], "float32").problem is not None
    with pytest.raises(BundleError, match="missing"):
        stored.check(package, tmp_path / "none.json", modules["mcp"], "float32")


def test_a_problem_names_the_first_and_counts_the_rest() -> None:
    found = StoredValues(9, 4, (), 1.0, 2, 2, tuple("abcde"))
    assert found.problem == "a; b; c; and 2 more"
    assert replace(found, wrong=()).problem is None
    assert replace(found, wrong=(), compared=0).problem == "no constant could be compared"
