"""The DiT's step compiled, as on a GPU, and what sessions leave of MLX's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlx.core as mx
import numpy as np
import pytest

from mobileo_export.bundle import manifest
from mobileo_export.components import COMPONENTS, random_inputs
from mobileo_export.runtimes.mlx import compiled, memory
from mobileo_export.runtimes.mlx.dit import DiTModel
from mobileo_export.runtimes.mlx.runtime import MLXRuntime
from tests.narrow import preset

if TYPE_CHECKING:
    from pathlib import Path

    from tests.exports import Exports


@pytest.fixture(scope="module")
def bundle(tiny_checkpoint: Path, exported: Exports) -> Path:
    return exported(
        tiny_checkpoint, "mcp,dit", target="mlx", precision="float16", compression=preset("w8")
    )


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the latents with which Python went through the model."""
    seen: list[tuple[int, ...]] = []
    computed = DiTModel.__call__

    def counted(model: DiTModel, latent: Any, *others: Any) -> Any:
        seen.append(latent.shape)
        return computed(model, latent, *others)

    monkeypatch.setattr(DiTModel, "__call__", counted)
    return seen


def inputs(bundle: Path, rows: int, length: int) -> dict[str, Any]:
    specs = manifest.read(bundle)["components"]["dit"]["inputs"]
    return random_inputs(tuple(map(manifest.tensor_spec, specs)), rows, B=rows, N=length)


def test_compiled_or_not_the_numbers_are_the_same(
    bundle: Path, traces: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bundle / COMPONENTS["dit"].file
    plain = MLXRuntime().load(folder)
    monkeypatch.setattr(compiled, "pays", lambda: True)
    fused = MLXRuntime().load(folder)
    for rows, length in ((2, 8), (2, 8), (1, 77), (2, 8)):
        given = inputs(bundle, rows, length)
        wanted: Any = plain.run(given)["velocity"]
        count = len(traces)
        found: Any = fused.run(given)["velocity"]
        again = fused.run({**given, "timestep": given["timestep"] + 1})
        assert len(traces) - count <= 1
        assert np.linalg.norm(found - wanted) < 1e-5 * np.linalg.norm(wanted)
        assert not np.array_equal(again["velocity"], found)  # nothing given became a constant
    fused.close()
    plain.close()


def test_a_picture_is_traced_once(
    bundle: Path, traces: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "pays", lambda: True)
    session = MLXRuntime().load(bundle / COMPONENTS["dit"].file)
    for _ in range(3):
        session.run(inputs(bundle, 2, 8))
    assert len(traces) == 1
    session.run(inputs(bundle, 2, 9))
    assert len(traces) == 2
    session.close()


def test_a_processor_fuses_nothing(bundle: Path, traces: list[Any]) -> None:
    """Each fusion would be a run of g++ before the first step."""
    session = MLXRuntime().load(bundle / COMPONENTS["dit"].file)
    for _ in range(2):
        session.run(inputs(bundle, 1, 8))
    assert len(traces) == (2 if mx.default_device() == mx.cpu else 1)
    session.close()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", ["mcp", "dit"])
def test_a_closed_session_leaves_nothing(
    name: str, fused: bool, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "pays", lambda: fused)
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.set_cache_limit(1 << 30)
    session = MLXRuntime().load(bundle / COMPONENTS[name].file)
    assert mx.set_cache_limit(memory.CACHE_LIMIT) == memory.CACHE_LIMIT
    specs = manifest.read(bundle)["components"][name]["inputs"]
    session.run(random_inputs(tuple(map(manifest.tensor_spec, specs)), 1))
    assert mx.get_active_memory() > before
    session.close()
    assert mx.get_cache_memory() == 0
    assert mx.get_active_memory() - before < 1000  # constants of MLX's own compiled functions
