from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.parity_floor import everything_in_float64, measure
from mobileo_export import targets
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.converters.coreml.convert import convert
from mobileo_export.parity import gates
from mobileo_export.parity.metrics import compare
from mobileo_export.parity.references import References
from mobileo_export.runtimes.mil import MilRuntime


def test_code_that_asks_for_float32_gets_float64() -> None:
    third = torch.tensor(1, dtype=torch.float64) / 3
    with everything_in_float64():
        assert third.float().item() == third.item()
        assert third.to(torch.float32).item() == third.item()
        assert third.to(dtype=torch.float32).item() == third.item()
        assert torch.arange(3, dtype=torch.float32).dtype == torch.float64
    assert third.float().item() != third.item()


@pytest.mark.parametrize("component", ["mcp", "vae_decoder"])
def test_the_gate_lies_a_few_times_above_the_floor(checkpoint: Checkpoint, component: str) -> None:
    floor = max(item.metrics.relative_l2 for item in measure(checkpoint, component))
    gate = gates.find(component, "float32", "mil").relative_l2
    assert gate is not None
    assert 1e-8 < floor < gate / 4


def test_the_tiny_decoders_package_only_rounds(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Its gate is that of the full size; here a systematic error of 5e-6 has to show."""
    spec = COMPONENTS["vae_decoder"]
    package = convert(checkpoint, spec, tmp_path / targets.form(spec, "ios").path).package
    session = MilRuntime().load(package)
    for run in References(checkpoint, "released").runs("vae_decoder"):
        found = session.run(run.case.inputs)["image"]
        assert compare(run.outputs["image"], found, "image").relative_l2 < 2.5e-6
