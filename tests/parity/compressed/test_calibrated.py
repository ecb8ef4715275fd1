"""Matrices whose rounding was chosen for what reaches them: taken as they are, if it is stated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, select
from mobileo_export.errors import BundleError
from mobileo_export.parity import compare, mutations
from mobileo_export.parity.references import References
from mobileo_export.parity.stored_values import package_graph
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules
from tests.parity import mutants
from tests.parity.conftest import reseal

from .conftest import PARTS, Bundle, checked, opened


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
    mutation = mutants.find(kind)
    for site in mutants.sites(mutation, whole.package):
        name = site.module.removeprefix("transformer.")
        if name not in names:
            continue
        damaged = tmp_path / f"{name}-{kind}"
        mutants.apply(mutation, site, whole.package, damaged)
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
