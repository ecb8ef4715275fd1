"""The packages, executed from their own files, compute what the PyTorch reference computes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export import targets
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.converters.coreml import precision
from mobileo_export.converters.coreml.convert import convert
from mobileo_export.random_checkpoint import write as random_checkpoint
from mobileo_export.runtimes.mil import MilRuntime
from mobileo_export.runtimes.torch_reference import TorchRuntime

from .conftest import PACKAGES, Converted

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Relative L2 on the tiny model: a few times what its packages measure (docs/gates.md).
FLOAT32 = {"vision_encoder": 3e-6, "mcp": 2e-6, "dit": 2e-5, "vae_decoder": 2.5e-6}
FLOAT16 = {"vision_encoder": 6e-3, "mcp": 2e-6, "dit": 4e-3, "vae_decoder": 4e-3}


def relative_l2(expected: NDArray[Any], found: NDArray[Any]) -> float:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    difference = found.astype(np.float64) - expected
    return float(np.linalg.norm(difference) / np.linalg.norm(expected.astype(np.float64)))


def errors(converted: Converted, name: str, lengths: tuple[int, ...] = (77,)) -> list[float]:
    spec = COMPONENTS[name]
    reference = TorchRuntime().load_component(converted.checkpoint, name, "released")
    session = MilRuntime().load(converted.results[name].package)
    found = []
    for length in lengths:
        inputs = spec.example_inputs(converted.checkpoint.model, seed=length, N=length)
        expected, outputs = reference.run(inputs), session.run(inputs)
        assert expected.keys() == outputs.keys()
        found += [relative_l2(expected[key], outputs[key]) for key in expected]
    return found


@pytest.mark.parametrize("name", PACKAGES)
def test_float32_packages_agree_with_torch(name: str, converted: Converted) -> None:
    lengths = (8, 40, 77, 311, 768) if name in {"mcp", "dit"} else (77,)
    assert max(errors(converted, name, lengths)) < FLOAT32[name]


@pytest.mark.parametrize("name", PACKAGES)
def test_float16_packages_agree_with_torch(name: str, converted_half: Converted) -> None:
    assert max(errors(converted_half, name, (8, 77))) < FLOAT16[name]


def test_timestep_and_mask_reach_the_velocity(converted: Converted) -> None:
    spec = COMPONENTS["dit"]
    session = MilRuntime().load(converted.results["dit"].package)
    reference = TorchRuntime().load_component(converted.checkpoint, "dit", "released")
    inputs = spec.example_inputs(converted.checkpoint.model)
    base = session.run(inputs)["velocity"]
    inputs["timestep"] = np.array([499.0], np.float32)
    moved = session.run(inputs)["velocity"]
    assert relative_l2(base, moved) > 1e-5
    assert relative_l2(reference.run(inputs)["velocity"], moved) < FLOAT32["dit"]
    inputs["encoder_attention_mask"][0, 5:] = 0
    masked = session.run(inputs)["velocity"]
    assert relative_l2(moved, masked) > 1e-4
    assert relative_l2(reference.run(inputs)["velocity"], masked) < FLOAT32["dit"]


def test_the_float32_islands_are_needed(
    converted_half: Converted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them the DiT in half precision fails the gate above."""
    everything: Callable[..., bool] = lambda operation, origin: True  # noqa: E731
    monkeypatch.setattr(precision, "computes_in_half", everything)
    monkeypatch.setattr("mobileo_export.converters.coreml.lowering.computes_in_half", everything)
    spec = COMPONENTS["dit"]
    result = convert(
        converted_half.checkpoint,
        spec,
        tmp_path / targets.form(spec, "ios").path,
        precision="float16",
    )
    careless = Converted(converted_half.checkpoint, {"dit": result})
    assert max(errors(careless, "dit")) > 2 * FLOAT16["dit"]


@pytest.mark.parametrize(("layers", "blocks"), [(1, 0), (2, 1), (4, 3)])
def test_every_projector_variant_exports(layers: int, blocks: int, tmp_path: Path) -> None:
    path = random_checkpoint.write(
        tmp_path / "checkpoint", "tiny", mcp_layers=layers, refinement_blocks=blocks
    )
    checkpoint, spec = Checkpoint.open(path), COMPONENTS["mcp"]
    result = convert(checkpoint, spec, tmp_path / targets.form(spec, "ios").path)
    found = errors(Converted(checkpoint, {"mcp": result}), "mcp", (8, 768))
    assert max(found) < FLOAT32["mcp"]


@pytest.mark.macos
@pytest.mark.skipif(sys.platform != "darwin", reason="Core ML needs macOS")
@pytest.mark.parametrize("name", PACKAGES)
def test_core_ml_agrees_with_torch(name: str, converted: Converted) -> None:
    from mobileo_export.runtimes.coreml import CoreMLRuntime

    spec = COMPONENTS[name]
    reference = TorchRuntime().load_component(converted.checkpoint, name, "released")
    session = CoreMLRuntime("cpu_only").load(converted.results[name].package)
    inputs = spec.example_inputs(converted.checkpoint.model)
    expected, outputs = reference.run(inputs), session.run(inputs)
    for key, value in expected.items():
        assert relative_l2(value, outputs[key]) < 1e-3
