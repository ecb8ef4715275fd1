"""MLX folders of components: the gates hold, and damage is found and named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, select
from mobileo_export.compression.plan import NONE
from mobileo_export.parity import mutations
from mobileo_export.parity.compare import compare_bundle
from mobileo_export.parity.explain.explain import explain
from mobileo_export.parity.mutations.folder import Folder
from mobileo_export.parity.references import References
from tests.exports import Exports
from tests.narrow import preset
from tests.parity import mutants
from tests.surgery import configure

ONLY = "mcp,dit"


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


@pytest.fixture(scope="module")
def w8(tiny_checkpoint: Path, exported: Exports) -> Path:
    plan = preset("w8")
    return exported(tiny_checkpoint, ONLY, target="mlx", precision="float16", compression=plan)


@pytest.fixture(scope="module")
def small(tiny_checkpoint: Path, exported: Exports) -> Path:
    plan = preset("small")
    return exported(tiny_checkpoint, ONLY, target="mlx", precision="float16", compression=plan)


def damaged(bundle: Path, tmp_path: Path, kind: str) -> tuple[Path, str]:
    """A copy of the bundle with its transformer damaged, and the tensor that was."""
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    folder = copy / COMPONENTS["dit"].file
    mutation = next(m for m in mutations.FOLDER_MUTATIONS if m.kind == kind)
    (site,) = mutants.sites(mutation, folder, 1)
    edit = Folder(folder)
    mutation.edit(edit, site)
    edit.patch().put(folder)
    return copy, site.module


@pytest.mark.parametrize("runtime", ["mlx", "mlx-dequantized"])
def test_both_rows_and_the_cost_hold(
    runtime: str, w8: Path, checkpoint: Checkpoint, references: References
) -> None:
    found = compare_bundle(w8, checkpoint, runtime=runtime, references=references)
    assert found.failures() == []
    rows = [
        (r.gate.component, r.gate.precision, r.gate.runtime, r.gate.against)
        for r in found.components
    ]
    assert ("mcp", "float32", runtime, "stored weights") in rows
    assert ("dit", "8-bit", runtime, "checkpoint") in rows
    if runtime == "mlx":
        assert ("dit", "float16", "mlx", "stored weights") in rows
        assert ("dit", "float32", "mlx float32", "stored weights") in rows
    stored = {r.gate.component: r.stored for r in found.components if r.stored is not None}
    for name in ("mcp", "dit"):
        assert stored[name] is not None
        assert stored[name].equal == stored[name].compared > 10
    noticed, of = found.controls()
    assert noticed == of > 50


def test_float32_is_held_to_the_exact_gates(
    tiny_checkpoint: Path, checkpoint: Checkpoint, exported: Exports, references: References
) -> None:
    bundle = exported(tiny_checkpoint, ONLY, target="mlx", precision="float32", compression=NONE)
    found = compare_bundle(bundle, checkpoint, runtime="mlx", references=references)
    assert found.failures() == []
    assert {r.gate.precision for r in found.components} == {"float32"}


def test_four_random_bits_are_said_to_have_no_bound(
    small: Path, checkpoint: Checkpoint, references: References
) -> None:
    found = compare_bundle(small, checkpoint, runtime="mlx-dequantized", references=references)
    assert found.failures() == []
    assert any("what 4-bit weights cost no bound tells" in s.reason for s in found.skipped)


@pytest.mark.parametrize("name", ["mcp", "dit"])
def test_every_mutant_is_caught(
    name: str, small: Path, checkpoint: Checkpoint, references: References
) -> None:
    suite = mutations.run(small, checkpoint, select(name), sites=2, references=references)
    assert [str(m) for m in suite.mutants if m.verdict != "caught"] == []
    kinds = {m.kind for m in suite.mutants}
    if name == "dit":
        assert kinds == {m.kind for m in mutations.FOLDER_MUTATIONS} - {"wrong rope theta"}
    else:
        assert {"swap two channels", "drop a bias", "stale normalisation"} <= kinds


@pytest.mark.parametrize("kind", ["scale of the wrong block", "nibbles swapped", "drop a bias"])
def test_a_damaged_number_is_named(
    kind: str,
    small: Path,
    checkpoint: Checkpoint,
    references: References,
    tmp_path: Path,
) -> None:
    copy, module = damaged(small, tmp_path, kind)
    found = compare_bundle(
        copy, checkpoint, select("dit"), runtime="mlx-dequantized", references=references
    )
    assert any(
        f"tensor {module}." in line and "differ, first in row" in line for line in found.failures()
    )
    told = explain(copy, checkpoint, COMPONENTS["dit"], references=references)
    assert told.finding is not None
    assert module in told.finding.cause


def test_what_is_sound_is_explained_as_such(
    w8: Path, checkpoint: Checkpoint, references: References
) -> None:
    told = explain(w8, checkpoint, COMPONENTS["mcp"], references=references)
    assert told.finding is None
    assert told.steps
    assert all(np.isfinite(step.error) for step in told.steps)


def test_each_step_says_how_its_weight_is_stored(
    w8: Path, checkpoint: Checkpoint, references: References
) -> None:
    told = explain(w8, checkpoint, COMPONENTS["dit"], references=references)
    assert all(step.op for step in told.steps)
    (query,) = (s for s in told.steps if s.module.endswith("transformer_blocks.1.attn1.to_q"))
    assert query.kind == "8-bit, groups of 32"  # it has a bias in float16 beside it


def test_a_number_that_nothing_computes_with_is_named(
    small: Path, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(small, tmp_path / "bundle"))
    folder = copy / COMPONENTS["dit"].file
    edit = Folder(folder)
    name = next(f"{m}.scales" for m in edit.modules if edit.has(f"{m}.scales"))
    scales = edit.values(name)
    scales[2, 0] = np.nan
    edit.store(name, scales)
    edit.patch().put(folder)
    told = explain(copy, checkpoint, COMPONENTS["dit"], references=references)
    assert told.finding is not None
    assert (told.finding.kind, told.steps) == ("not finite", ())
    assert name.removesuffix(".scales") in told.finding.cause
    assert "first [2, 0]" in told.finding.cause
    assert "holds NaN or infinity" in told.finding.symptom


def test_a_folder_that_cannot_be_read_is_a_finding(
    small: Path, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(small, tmp_path / "bundle"))
    configure(copy / COMPONENTS["dit"].file, {"norm_eps": 1e-3})
    told = explain(copy, checkpoint, COMPONENTS["dit"], references=references)
    assert told.finding is not None
    assert told.finding.kind == "cannot run"
    assert "norm_eps 0.001" in told.finding.cause
    assert "not as sealed" in told.finding.fix
