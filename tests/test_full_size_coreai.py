"""The 0.5B model as Core AI assets at its real size, `make test-full`; shares a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.export_cost import Cost, measure
from mobileo_export.artifacts.aimodel import asset
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS

# Fixtures of the other full-size tests.
from .test_full_size import checkpoint, work  # noqa: F401

pytestmark = pytest.mark.full_size
pytest.importorskip("coreai_torch", reason="the coreai extra is not installed")
CLI = [sys.executable, "-m", "mobileo_export"]
PEAK = 3.6e9  # one component at a time


@pytest.fixture(scope="module")
def exported(work: Path, checkpoint: Checkpoint) -> tuple[Path, Cost]:  # noqa: F811
    bundle = work / "coreai"
    options = ["--target", "coreai", "-o", str(bundle), "--overwrite", "--fresh", "-q"]
    options += ["--max-memory", f"{PEAK:.0f}B"]
    return bundle, measure([*CLI, "export", str(checkpoint.path), *options])


def test_the_export_fits(exported: tuple[Path, Cost]) -> None:
    bundle, cost = exported
    for entry in manifest.read(bundle)["components"].values():
        (artifact,) = entry["artifacts"]
        assert artifact["options"]["largest_allocation"] <= asset.LARGEST_ALLOCATION
    assert cost.peak_bytes <= PEAK


@pytest.mark.parametrize("name", COMPONENTS)
def test_it_computes_what_pytorch_computes(
    name: str,
    exported: tuple[Path, Cost],
    checkpoint: Checkpoint,  # noqa: F811
) -> None:
    """On Apple's runtime, which takes several times what PyTorch does: no picture is drawn."""
    options = ["--checkpoint", str(checkpoint.path), "--only", name, "-q"]
    measure([*CLI, "verify", str(exported[0]), *options])  # raises unless every gate holds


@pytest.mark.parametrize("name", COMPONENTS)
def test_all_witnesses_agree(
    name: str,
    exported: tuple[Path, Cost],
    work: Path,  # noqa: F811
    checkpoint: Checkpoint,  # noqa: F811
) -> None:
    """The packages are those that the tests of the target ios export, where they lie."""
    packages = work / "bundle"
    if not packages.exists():
        options = ["-o", str(packages), "--overwrite", "-q"]
        measure([*CLI, "export", str(checkpoint.path), *options])
    bundles = [str(exported[0])] if name == "llm" else [str(packages), str(exported[0])]
    options = ["--checkpoint", str(checkpoint.path), "--only", name, "--json"]
    call = [*CLI, "witness", *bundles, *options]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    (told,) = json.loads(done.stdout)["testimonies"]
    assert told["sides"][-1] == "coreai"
