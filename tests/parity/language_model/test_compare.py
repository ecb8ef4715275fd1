"""The language model's folder against its checkpoint: as it is, and damaged where it lies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import select
from mobileo_export.parity import gates
from mobileo_export.parity.compare import compare_bundle
from mobileo_export.parity.references import References, random_or_trained
from tests.parity.conftest import reseal
from tests.surgery import configure, load, save

if TYPE_CHECKING:
    from mobileo_export.parity.results import Comparison

LAYER = "language_model.model.layers.0."
QUERY = LAYER + "self_attn.q_proj"


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


def compare(bundle: Path, references: References) -> Comparison:
    return compare_bundle(
        bundle, references.checkpoint, select("llm"), "mlx-dequantized", references=references
    )


def test_as_it_is(sealed: Path, references: References) -> None:
    found = compare(sealed, references)
    assert found.failures() == []
    assert found.ok
    assert [(r.gate.against, r.gate.output) for r in found.components] == [
        ("stored weights", None),
        ("checkpoint", "stacked_hidden_states"),
        ("checkpoint", "conditioning"),
    ]
    assert len(found.components[0].controls) == 2  # other ids, other features
    noticed, total = found.controls()
    assert noticed == total > 60


def swap_rows(arrays: dict[str, np.ndarray]) -> None:
    for part in ("weight", "scales", "biases"):
        values = arrays[f"{QUERY}.{part}"]
        values[[3, 8]] = values[[8, 3]]


def permute_key_and_value(arrays: dict[str, np.ndarray]) -> None:
    for part in ("weight", "scales", "biases", "bias"):
        key, value = (f"{LAYER}self_attn.{name}_proj.{part}" for name in "kv")
        arrays[key], arrays[value] = arrays[value], arrays[key]


def transpose(arrays: dict[str, np.ndarray]) -> None:
    from mobileo_export.artifacts.mlx.packed import Quantized, dequantize, quantize

    name = f"{LAYER}self_attn.o_proj"
    parts = [arrays[f"{name}.{part}"] for part in ("weight", "scales", "biases")]
    changed = quantize(np.ascontiguousarray(dequantize(Quantized(*parts), 8, 64).T), 8, 64)
    for part in ("weight", "scales", "biases"):
        arrays[f"{name}.{part}"] = getattr(changed, part)


def flip_exponent_bit(arrays: dict[str, np.ndarray]) -> None:
    arrays[f"{QUERY}.scales"].view(np.uint16)[5, 1] ^= 1 << 10


def drop_bias(arrays: dict[str, np.ndarray]) -> None:
    arrays[f"{QUERY}.bias"][...] = 0


@pytest.mark.parametrize(
    ("change", "tensor"),
    [
        (swap_rows, f"{QUERY}.weight"),
        (permute_key_and_value, "_proj."),
        (transpose, "self_attn.o_proj.weight"),
        (flip_exponent_bit, f"{QUERY}.weight"),
        (drop_bias, f"{QUERY}.bias"),
    ],
)
def test_damage_is_named_and_felt(
    copied: Path,
    references: References,
    change: Callable[[dict[str, np.ndarray]], None],
    tensor: str,
) -> None:
    path = copied / "llm" / "model.safetensors"
    stored = load(path)
    arrays: dict[str, Any] = {name: values for name, (_, values) in stored.items()}
    change(arrays)
    save(path, {name: (stored[name][0], values) for name, values in arrays.items()})
    reseal(copied)
    found = compare(copied, references)
    assert not found.ok
    first, *others = found.failures()
    assert first.startswith("llm: tensor ")
    assert tensor in first
    assert "is not what the checkpoint's becomes" in first
    felt = [line for line in others if "stacked_hidden_states" in line]
    assert {line.split(",")[1].strip() for line in felt} == {
        "8 tokens", "prompt", "edit", "768 tokens"
    }  # fmt: skip


def test_a_stale_epsilon_is_named(copied: Path, references: References) -> None:
    configure(copied / "llm", {"rms_norm_eps": 1e-5})
    reseal(copied)
    assert any("rms_norm_eps 1e-05" in line for line in compare(copied, references).failures())
    path = copied / manifest.MANIFEST  # even when the manifest agrees
    content = json.loads(path.read_text())
    content["model"]["llm"]["rms_norm_eps"] = 1e-5
    path.write_text(json.dumps(content))
    found = compare(copied, references)
    assert not found.ok
    assert "config.json says rms_norm_eps 1e-05, the checkpoint 1e-06" in found.failures()[0]
    assert any(", stacked_hidden_states: relative_l2" in line for line in found.failures())


def test_random_and_trained_are_told_apart(checkpoint: Checkpoint) -> None:
    assert random_or_trained(checkpoint) == "random"
    trained = Checkpoint(checkpoint.path, {}, checkpoint.top_level)
    assert random_or_trained(trained) == "trained"


def test_trained_weights_are_judged_by_what_they_say(sealed: Path, checkpoint: Checkpoint) -> None:
    config = {k: v for k, v in checkpoint.config.items() if k != "mobileo_export"}
    trained = Checkpoint(checkpoint.path, config, {**checkpoint.top_level})
    found = compare(sealed, References(trained, "released"))
    outputs = [r.gate.output for r in found.components]
    assert outputs == [None, gates.LOGITS, gates.CONDITIONING]
    said = found.components[1]
    for case in said.cases:
        (output,) = case.outputs
        assert output.metrics is not None
        assert 0 < (output.metrics.kl or 0) < 0.01
        assert 0.9 < (output.metrics.top1 or 0) <= 1
        assert [control.noticed for control in output.controls] == [True, True]
