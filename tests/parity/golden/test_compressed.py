"""A trace of a bundle whose weights a plan compresses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.compression import plan as plans
from mobileo_export.parity import gates
from mobileo_export.parity.golden import index
from mobileo_export.parity.golden.record import record
from mobileo_export.parity.golden.replay import replay
from tests.exports import Exports


def test_what_is_left_of_the_weights_is_golden(
    tiny_checkpoint: Path, exported: Exports, recorded: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(exported(tiny_checkpoint, compression=plans.load("w8")), bundle)
    record(bundle, Checkpoint.open(tiny_checkpoint), steps=1, figures=False)
    found = replay(bundle)
    assert found.ok, found.failures()
    against = {r.gate.component: r.gate.against for r in found.comparison.components}
    assert against == {
        "vision_encoder": "stored weights",
        "mcp": "checkpoint",
        "dit": "stored weights",
        "vae_decoder": "stored weights",
        "llm": "stored weights",
    }
    stated = index.open_golden(bundle, manifest.read(bundle)).index["gates"]
    for component, output in (("dit", "velocity"), ("vae_decoder", "image")):
        gate = gates.find(component, "float32", "mil")
        host = stated[output]["host"]
        assert (host["relative_l2"], host["worst_slice"]) == (gate.relative_l2, gate.worst_slice)
    # The checkpoint's own values are others, and the same bounds tell.
    shutil.rmtree(bundle / "golden")
    shutil.copytree(recorded / "golden", bundle / "golden")
    content = manifest.read(recorded)
    kept = [f for f in manifest.read(bundle)["files"] if not f["path"].startswith("golden/")]
    traced = [f for f in content["files"] if f["path"].startswith("golden/")]
    merged = {**manifest.read(bundle), "files": [*kept, *traced]}
    (bundle / manifest.MANIFEST).write_text(manifest.dumps(merged))
    broken = {line.partition(",")[0] for line in replay(bundle).failures()}
    assert broken >= {"vision_encoder", "dit", "vae_decoder"}
    assert "mcp" not in broken


def test_what_is_left_of_an_assets_weights_is_golden(
    tiny_checkpoint: Path, exported: Exports, tmp_path: Path
) -> None:
    pytest.importorskip("coreai_torch", reason="the coreai extra is not installed")
    bundle = tmp_path / "bundle"
    w8 = plans.load("w8", "coreai")
    shutil.copytree(exported(tiny_checkpoint, target="coreai", compression=w8), bundle)
    record(bundle, Checkpoint.open(tiny_checkpoint), steps=1, figures=False)
    found = replay(bundle)
    assert found.ok, found.failures()
    against = {r.gate.component: r.gate.against for r in found.comparison.components}
    whole = dict.fromkeys(("mcp", "llm"), "checkpoint")
    stored = dict.fromkeys(("vision_encoder", "dit", "vae_decoder"), "stored weights")
    assert against == {**whole, **stored}
