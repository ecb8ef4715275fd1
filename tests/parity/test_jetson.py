"""A jetson bundle against its checkpoint: as it is, with real damage, and in half precision."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
import pytest

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, select
from mobileo_export.converters.onnx import external_data, half, precision
from mobileo_export.converters.onnx.graphs import graphs
from mobileo_export.errors import UsageError
from mobileo_export.parity import findings, mutations
from mobileo_export.parity.chain import compare as chain
from mobileo_export.parity.compare import compare_bundle
from mobileo_export.parity.explain.explain import explain
from mobileo_export.parity.references import References
from mobileo_export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


def test_it_computes_what_its_checkpoint_computes(
    tiny_jetson: Path, checkpoint: Checkpoint, references: References
) -> None:
    found = compare_bundle(tiny_jetson, checkpoint, select("mcp,llm"), references=references)
    assert found.ok, found.failures()
    assert found.runtime == "onnxruntime"
    assert [len(component.cases) for component in found.components] == [6, 4]
    noticed, total = found.controls()
    assert noticed == total > 40


def test_a_weight_that_was_changed_is_noticed(
    tiny_jetson: Path, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    bundle = shutil.copytree(tiny_jetson, tmp_path / "bundle")
    data = np.memmap(bundle / "connector.onnx.data", np.float32, "r+")
    data[len(data) // 2 : len(data) // 2 + 64] += 0.05
    data.flush()
    found = compare_bundle(bundle, checkpoint, select("mcp"), references=references)
    assert not found.ok


def test_a_graph_that_cannot_run_is_a_finding(
    tiny_jetson: Path, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    bundle = shutil.copytree(tiny_jetson, tmp_path / "bundle")
    (bundle / "connector.onnx.data").unlink()
    found = compare_bundle(bundle, checkpoint, select("mcp"), references=references)
    assert not found.ok
    assert "connector.onnx" in str(found.components[0].problem)


@pytest.fixture
def half_bundle(tiny_jetson: Path, checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """The bundle with a float16 decoder of pictures."""
    bundle = shutil.copytree(tiny_jetson, tmp_path / "half")
    (spec,) = graphs(COMPONENTS["vae_decoder"], checkpoint.model, "jetson", None, "float16")
    for suffix in ("", manifest.EXTERNAL_DATA):
        (bundle / (spec.file + suffix)).unlink()
    model = ir.load(tiny_jetson / spec.file)
    rules = precision.plan(model)
    half.convert(model, spec, precision.wide(model, rules))
    external_data.write(model, bundle / spec.file)
    content = json.loads((bundle / manifest.MANIFEST).read_text())
    artifact = content["components"]["vae_decoder"]["artifacts"][0]
    artifact["compute_precision"] = artifact["weight_precision"] = "float16"
    artifact["graphs"][0]["precision"] = precision.as_json(rules)
    (bundle / manifest.MANIFEST).write_text(manifest.dumps(content))
    return bundle


def test_half_precision_is_judged_by_its_emulation(
    half_bundle: Path, checkpoint: Checkpoint, references: References
) -> None:
    chosen = select("vae_decoder")
    found = compare_bundle(half_bundle, checkpoint, chosen, references=references)
    assert found.runtime == "emulated-half"
    assert found.ok, found.failures()
    worst: Any = found.components[0].cases[0].outputs[0]
    assert worst.metrics.relative_l2 > 1e-5  # half precision did round
    with pytest.raises(UsageError, match="no gate for float16 on onnxruntime"):
        compare_bundle(half_bundle, checkpoint, chosen, "onnxruntime", references=references)


def test_the_chain_is_gated_by_the_lowest_precision(half_bundle: Path, tiny_jetson: Path) -> None:
    gates = [
        chain.find_gate(manifest.read(bundle), kind, None)
        for bundle, kind in ((half_bundle, "emulated-half"), (tiny_jetson, "onnxruntime"))
    ]
    assert [(gate.precision, gate.runtime) for gate in gates] == [
        ("float16", "emulated-half"),
        ("float32", "onnxruntime"),
    ]
    assert not any(gate.provisional for gate in gates)


def test_what_reads_core_ml_packages_says_so(tiny_jetson: Path, checkpoint: Checkpoint) -> None:
    with pytest.raises(UsageError, match="explain reads Core ML packages"):
        explain(tiny_jetson, checkpoint, COMPONENTS["mcp"])
    with pytest.raises(UsageError, match="mutations change Core ML packages"):
        mutations.run(tiny_jetson, checkpoint, select("mcp"))


def test_mutations_are_refused_before_any_work(tiny_jetson: Path, checkpoint: Checkpoint) -> None:
    events: list[Progress] = []
    with pytest.raises(UsageError, match="verify a jetson bundle without them"):
        findings.find(tiny_jetson, checkpoint, mutated=True, progress=events.append)
    assert not events
