"""A trace of a small picture must record the graph of the full one, to the byte."""

from __future__ import annotations

import filecmp
from dataclasses import replace
from pathlib import Path

import pytest

from mobileo_export import targets
from mobileo_export.checkpoint.diffusion_config import KNOWN, SANA_600M
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.components import COMPONENTS
from mobileo_export.converters.coreml import convert as convert_module
from mobileo_export.converters.coreml import tracing

from .conftest import PACKAGES, Converted


def same_package(left: Path, right: Path) -> bool:
    names = sorted(path.relative_to(left) for path in left.rglob("*") if path.is_file())
    others = sorted(path.relative_to(right) for path in right.rglob("*") if path.is_file())
    return names == others and all(
        filecmp.cmp(left / name, right / name, shallow=False) for name in names
    )


@pytest.mark.parametrize("name", PACKAGES)
def test_small_trace_gives_the_bytes_of_a_full_trace(
    name: str, converted: Converted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = COMPONENTS[name]
    small_trace = tracing.trace
    monkeypatch.setattr(tracing, "small_model", lambda model: model)
    # Another sequence length too: no length may be baked into the graph.
    monkeypatch.setattr(
        tracing, "trace", lambda module, spec, model: small_trace(module, spec, model, length=77)
    )
    full = convert_module.convert(
        converted.checkpoint, spec, tmp_path / targets.form(spec, "ios").path
    )
    assert same_package(full.package, converted.results[name].package)
    assert filecmp.cmp(full.operation_map, converted.results[name].operation_map, shallow=False)


def test_a_picture_too_small_for_linear_attention_would_be_noticed(
    converted: Converted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: below the threshold DC-AE takes its other branch."""

    def too_small(model: ModelConfig) -> ModelConfig:
        diffusion = model.diffusion
        return replace(
            model, diffusion=replace(diffusion, dit=replace(diffusion.dit, sample_size=2))
        )

    monkeypatch.setattr(tracing, "small_model", too_small)
    spec = COMPONENTS["vae_decoder"]
    other = convert_module.convert(
        converted.checkpoint, spec, tmp_path / targets.form(spec, "ios").path
    )
    assert not same_package(other.package, converted.results["vae_decoder"].package)


@pytest.mark.parametrize(("sample_size", "expected"), [(16, 6), (6, 6), (5, 5), (4, 4), (64, 6)])
def test_small_latent_stays_on_its_side_of_the_branch(
    tiny_checkpoint: Path, sample_size: int, expected: int
) -> None:
    model = Checkpoint.open(tiny_checkpoint).model
    released = KNOWN[SANA_600M]
    model = replace(
        model, diffusion=replace(released, dit=replace(released.dit, sample_size=sample_size))
    )
    small = tracing.small_model(model).diffusion.dit.sample_size
    head_dim = released.vae.attention_head_dim
    assert small == expected
    assert (small**2 > head_dim) == (sample_size**2 > head_dim)
