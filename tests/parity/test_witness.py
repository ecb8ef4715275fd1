"""Witnesses: who agrees, who stands alone, and whether an artifact or what executes it is wrong."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from torch.nn import functional

from mobileo_export.components import COMPONENTS, select
from mobileo_export.errors import UsageError
from mobileo_export.parity import gates, mutations, witness
from mobileo_export.runtimes.mil.ops import normalization
from tests.parity import mutants
from tests.parity.asset_edits import changed, other_epsilon

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint
    from tests.command import Command
    from tests.exports import Exports


def side(name: str, shift: float, stored: str | None) -> witness.Side:
    values = np.linspace(1, 2, 24, dtype=np.float32).reshape(1, 4, 6) + np.float32(shift)
    gate = gates.find("mcp", "float32", "coreai") if name != witness.REFERENCE else None
    told = None if stored is None else lambda: stored
    return witness.Side(name, gate, {"prompt": {"conditioning": values}}, None, told)


@pytest.mark.parametrize(
    ("mil", "core", "onnx", "alone", "says"),
    [
        (0.1, 0.0, 0.0, "mil", "what executes it is wrong"),
        (0.0, 0.1, 0.0, "coreai", "what executes it is wrong"),
        (0.0, 0.0, 0.1, "onnxruntime", "cannot be looked into"),
        (0.1, 0.2, 0.0, None, "apart: PyTorch and mil, PyTorch and coreai"),
        (0.1, 0.1, 0.1, None, "apart"),
    ],
)
def test_who_stands_alone_is_named(
    mil: float, core: float, onnx: float, alone: str | None, says: str
) -> None:
    sides = (
        side(witness.REFERENCE, 0.0, None),
        side("mil", mil, ""),
        side("coreai", core, ""),
        side("onnxruntime", onnx, None),
    )
    found = witness.judged("mcp", sides)
    assert found.alone == alone
    assert found.verdict is not None
    assert says in found.verdict


def test_one_that_cannot_run_is_told() -> None:
    broken = witness.Side("mil", gates.find("mcp", "float32", "mil"), {}, "no such operation")
    found = witness.judged("mcp", (side(witness.REFERENCE, 0, None), broken))
    assert found.verdict == "mil: no such operation"


def test_witnesses_agree_on_every_component(
    tiny_core_ai: Path, tiny_bundle: Path, tiny_checkpoint: Path, command: Command, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    call = ("witness", tiny_bundle, tiny_core_ai, "--checkpoint", tiny_checkpoint, "--page", page)
    done = command(*call, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    heard = {told["component"]: told for told in found["testimonies"]}
    assert list(heard) == list(COMPONENTS)
    assert heard.pop("llm")["sides"] == ["PyTorch", "coreai"]
    assert found["left_out"] == [
        f"llm: of {tiny_bundle} computes with weights of its own, quantized"
    ]
    for told in heard.values():
        assert told["sides"] == ["PyTorch", "mil", "coreai"]
        assert len(told["pairs"]) == 3
        assert all(pair["relative_l2"] < pair["bounds"][0] for pair in told["pairs"])
    assert "All agree" in page.read_text(encoding="utf-8")


def mutated(bundle: Path, copy: Path, mutation: mutations.GraphMutation) -> Path:
    """A copy of the bundle with ``mutation`` done to its projector's package."""
    package = shutil.copytree(bundle, copy) / "connector.mlpackage"
    shutil.rmtree(package)
    original = bundle / package.name
    mutants.apply(mutation, mutants.sites(mutation, original)[0], original, package)
    return copy


def heard(bundles: tuple[Path, Path], checkpoint: Checkpoint) -> witness.Testimony:
    (told,) = witness.witness(bundles, checkpoint, select("mcp")).testimonies
    return told


def test_a_wrong_epsilon_of_the_evaluator(
    tiny_core_ai: Path,
    tiny_bundle: Path,
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the evaluator alone: PyTorch's own stays as it is."""
    wrong = SimpleNamespace(
        layer_norm=lambda x, sizes, gamma, beta, epsilon: functional.layer_norm(
            x, sizes, gamma, beta, epsilon + 1e-2
        )
    )
    monkeypatch.setattr(normalization, "functional", wrong)
    told = heard((tiny_bundle, tiny_core_ai), checkpoint)
    assert told.alone == "mil"
    assert told.verdict is not None
    assert "its artifact holds what the checkpoint says" in told.verdict


def test_the_same_epsilon_in_the_package(
    tiny_core_ai: Path, tiny_bundle: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    planted = replace(
        mutants.find("wrong epsilon"),
        edit=lambda graph, site: graph.set_number(graph.op(site.operation), "epsilon", 1e-2),
    )
    copy = mutated(tiny_bundle, tmp_path / "packages", planted)
    told = heard((copy, tiny_core_ai), checkpoint)
    assert told.alone == "mil"
    assert told.verdict is not None
    assert "its artifact is wrong: " in told.verdict
    assert "epsilon is 0.01, the reference has 1e-05" in told.verdict


def test_the_same_epsilon_in_the_asset(
    tiny_core_ai: Path, tiny_bundle: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    spoiled = changed(tiny_core_ai, tmp_path / "bundle", other_epsilon)
    told = heard((tiny_bundle, spoiled), checkpoint)
    assert told.alone == "coreai"
    assert told.verdict is not None
    assert "its artifact is wrong: " in told.verdict
    assert "no norm has its epsilon, 1e-05" in told.verdict


def test_a_wrong_weight_in_the_package(
    tiny_core_ai: Path, tiny_bundle: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    swap = mutants.find("swap two channels")
    copy = mutated(tiny_bundle, tmp_path / "packages", swap)
    told = heard((copy, tiny_core_ai), checkpoint)
    assert told.alone == "mil"
    assert told.verdict is not None
    assert "its artifact is wrong: " in told.verdict


def test_what_cannot_be_heard_is_said(checkpoint: Checkpoint, exported: Exports) -> None:
    quantized = exported(checkpoint.path, "llm")
    with pytest.raises(UsageError, match="computes with weights of its own, quantized"):
        witness.witness((quantized,), checkpoint, select("llm"))
