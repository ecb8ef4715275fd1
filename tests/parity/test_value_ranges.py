"""The probe sees what real inputs do, at every operation of the float32 graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.parity.references import References
from mobileo_export.parity.value_ranges import measure

if TYPE_CHECKING:
    from pathlib import Path


def test_every_float_operation_of_the_language_model_is_seen(
    tiny_checkpoint: Path, tiny_jetson: Path
) -> None:
    checkpoint = Checkpoint.open(tiny_checkpoint)
    files = {name: tiny_jetson / "llm" / f"{name}.onnx" for name in ("projector", "llm")}
    ranges = measure(checkpoint, COMPONENTS["llm"], files, "released", "jetson")
    for name, path in files.items():
        nodes = onnx.load(path, load_external_data=False).graph.node
        unseen = {node.name for node in nodes} - ranges[name].keys()
        assert {name.rpartition("/")[2] for name in unseen} <= {"Shape"}
    # Masks are of -30000, and nothing else is as large.
    largest = max(ranges["llm"], key=lambda node: ranges["llm"][node])
    assert ranges["llm"][largest] >= 30000
    assert ranges["llm"]["layers.0.self_attn/Softmax"] <= 1.0


def test_the_range_is_that_of_the_cases(tiny_checkpoint: Path, tiny_jetson: Path) -> None:
    checkpoint = Checkpoint.open(tiny_checkpoint)
    files = {"mcp": tiny_jetson / "connector.onnx"}
    ranges = measure(checkpoint, COMPONENTS["mcp"], files, "released", "jetson")["mcp"]
    runs = References(checkpoint, "released").runs("mcp")
    expected = max(
        float(np.abs(run.outputs["conditioning"]).max()) for run in runs if run.case.changes is None
    )
    assert abs(ranges["output_proj.1/LayerNormalization"] - expected) < 1e-4 * expected
