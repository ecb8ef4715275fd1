"""The 0.5B model at its real size: minutes and gigabytes, `make test-full`.

The checkpoint and the bundle are kept in the folder that MOBILEO_FULL_SIZE names.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from mobileo_export.bench.export_cost import Cost, measure
from mobileo_export.checkpoint import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.converters.coreml import convert as convert_module
from mobileo_export.converters.coreml import tracing

pytestmark = pytest.mark.full_size

PUBLISHED_BYTES = 4_775_658_842
# Relative L2 of the float32 graphs against torch float32; measured figures in BENCHMARKS.md.
GATES = {"vision_encoder": 1e-5, "mcp": 1e-5, "dit": 1e-5, "vae_decoder": 4e-5}
CLI = [sys.executable, "-m", "mobileo_export.cli.main"]


@pytest.fixture(scope="module")
def work() -> Path:
    folder = Path(os.environ.get("MOBILEO_FULL_SIZE", "build/full-size"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def checkpoint(work: Path) -> Checkpoint:
    path = work / "checkpoint-0.5b"
    if not path.exists():
        measure([*CLI, "random-checkpoint", "--variant", "0.5b", "-o", str(path)])
    return Checkpoint.open(path)


@pytest.fixture(scope="module")
def exported(work: Path, checkpoint: Checkpoint) -> tuple[Path, Cost]:
    bundle = work / "bundle"
    command = [*CLI, "export", str(checkpoint.path), "-o", str(bundle), "--overwrite", "-q"]
    return bundle, measure(command)


def test_checkpoint_has_the_published_size(checkpoint: Checkpoint) -> None:
    assert (checkpoint.path / "model.safetensors").stat().st_size == PUBLISHED_BYTES
    assert len(checkpoint.top_level) == 1873
    assert len(checkpoint.nested) == 1207


def test_export_is_whole_and_lean(exported: tuple[Path, Cost]) -> None:
    bundle, cost = exported
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert set(manifest["components"]) == set(COMPONENTS)
    assert manifest["components"]["dit"]["parameters"] == 591_747_872
    assert cost.peak_bytes <= 3.6e9


def test_second_export_is_identical(work: Path, exported: tuple[Path, Cost]) -> None:
    bundle, _ = exported
    first = (bundle / "manifest.json").read_bytes()  # holds the sha256 of every file
    again = work / "again"
    measure([*CLI, "export", str(work / "checkpoint-0.5b"), "-o", str(again), "--overwrite", "-q"])
    assert (again / "manifest.json").read_bytes() == first


@pytest.mark.parametrize("name", ["mcp", "vision_encoder", "vae_decoder", "dit"])
def test_packages_agree_with_torch(
    name: str, checkpoint: Checkpoint, exported: tuple[Path, Cost]
) -> None:
    from mobileo_export.runtimes.mil import MilRuntime
    from mobileo_export.runtimes.torch_reference import TorchRuntime

    bundle, _ = exported
    spec = COMPONENTS[name]
    lengths = (8, 311, 768) if name in {"mcp", "dit"} else (77,)
    inputs = [spec.example_inputs(checkpoint.model, seed=n, N=n) for n in lengths]
    reference = TorchRuntime().load_component(checkpoint, name, "released")
    expected = [reference.run(arrays) for arrays in inputs]
    reference.close()
    session = MilRuntime().load(bundle / spec.artifact)
    for arrays, wanted in zip(inputs, expected, strict=True):
        for key, found in session.run(arrays).items():
            truth = wanted[key].astype(np.float64)
            error = np.linalg.norm(found - truth) / np.linalg.norm(truth)
            print(f"{name} {key}: relative L2 {error:.2e}, std {truth.std():.3f}")
            assert error <= GATES[name]


@pytest.mark.parametrize("name", ["vision_encoder", "vae_decoder", "dit"])
def test_small_trace_is_the_full_trace(
    name: str,
    checkpoint: Checkpoint,
    exported: tuple[Path, Cost],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle, _ = exported
    spec = COMPONENTS[name]
    monkeypatch.setattr(tracing, "small_model", lambda model: model)
    full = convert_module.convert(checkpoint, spec, tmp_path / spec.artifact)
    model = Path("Data/com.apple.CoreML/model.mlmodel")
    assert (full.package / model).read_bytes() == (bundle / spec.artifact / model).read_bytes()
