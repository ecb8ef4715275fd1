"""The 0.5B model as ONNX at its real size, `make test-full`; shares the folder of the others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.export_cost import Cost, measure
from mobileo_export.checkpoint.folder import Checkpoint

# Fixtures of the other full-size tests.
from .test_full_size import checkpoint, work  # noqa: F401

pytestmark = pytest.mark.full_size
CLI = [sys.executable, "-m", "mobileo_export"]
GRAPHS = 6


@pytest.fixture(scope="module")
def exported(work: Path, checkpoint: Checkpoint) -> tuple[Path, Cost]:  # noqa: F811
    bundle = work / "jetson"
    options = ["--target", "jetson", "-o", str(bundle), "--overwrite", "--fresh", "-q"]
    return bundle, measure([*CLI, "export", str(checkpoint.path), *options])


def test_the_export_fits(exported: tuple[Path, Cost]) -> None:
    bundle, cost = exported
    assert len(list(bundle.rglob("*.onnx"))) == GRAPHS
    assert cost.peak_bytes <= 6e9


def test_it_computes_what_pytorch_computes(
    exported: tuple[Path, Cost],
    checkpoint: Checkpoint,  # noqa: F811
) -> None:
    bundle, _ = exported
    options = ["--checkpoint", str(checkpoint.path), "--steps", "1", "-q"]
    measure([*CLI, "verify", str(bundle), *options])  # raises unless every gate holds


def test_tensorrt_rtx_reads_every_graph(exported: tuple[Path, Cost]) -> None:
    trt: Any = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu12")
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    for path in sorted(exported[0].rglob("*.onnx")):
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, logger)
        assert parser.parse_from_file(str(path)), path
        assert network.num_layers > 10
