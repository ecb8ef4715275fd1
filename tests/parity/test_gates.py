from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mobileo_export import targets
from mobileo_export.components import COMPONENTS, LAYOUTS, Layout, Precision
from mobileo_export.errors import UsageError
from mobileo_export.parity import gates
from mobileo_export.parity.damage import GLOBAL, damages
from mobileo_export.parity.judge import judge
from mobileo_export.parity.metrics import compare

PACKAGES = [
    spec.name for spec in COMPONENTS.values() if targets.form(spec, "ios").kind == "mlpackage"
]
PRECISIONS: tuple[Precision, ...] = ("float32", "float16")
HALVED = [name for name in PACKAGES if COMPONENTS[name].half]
# About what the outputs are: unit normal tokens, a latent, a picture.
OUTPUTS = {
    "vision_encoder": ("image_features", (1, 256, 384)),
    "mcp": ("conditioning", (1, 77, 288)),
    "dit": ("velocity", (1, 32, 16, 16)),
    "vae_decoder": ("image", (1, 3, 256, 256)),
    "llm": ("stacked_hidden_states", (1, 4, 77, 128)),
}


def output(component: str) -> tuple[str, np.ndarray]:
    name, shape = OUTPUTS[component]
    return name, np.random.default_rng(1).standard_normal(shape, dtype=np.float32)


def holds(gate: gates.Gate, reference: np.ndarray, found: np.ndarray, layout: Layout) -> bool:
    measured = compare(reference, found, layout, gate.slice_floor)
    return all(row.holds for row in gates.apply(gate, measured))


def test_one_row_a_key() -> None:
    keys = [
        (g.component, g.precision, g.runtime, g.against, g.output, g.values) for g in gates.GATES
    ]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("component", PACKAGES)
@pytest.mark.parametrize("asked", PRECISIONS)
def test_every_package_has_a_gate_everywhere(component: str, asked: Precision) -> None:
    precision = COMPONENTS[component].precision(asked)
    assert not gates.find(component, precision, "mil").provisional
    for units in ("all", "cpu_only", "cpu_and_gpu", "cpu_and_ne"):
        assert gates.find(component, precision, f"coreml {units}").provisional


@pytest.mark.parametrize("runtime", ["mil", "onnxruntime"])
def test_a_silent_channel_may_round_as_the_loud_ones_do(runtime: str) -> None:
    _, reference = output("vision_encoder")
    reference[..., 7] *= 1e-6
    gate = gates.find("vision_encoder", "float32", runtime)
    noise = np.random.default_rng(2).standard_normal(reference.shape[1], dtype=np.float32)

    def with_error(size: float) -> np.ndarray:
        found = reference.copy()
        found[0, :, 7] += size * noise
        return found

    # What GELU leaves of a value well below zero, in units of the rms channel.
    assert holds(gate, reference, with_error(1.4e-7), "sequence")
    assert not holds(gate, reference, with_error(1.5e-6), "sequence")
    # A channel that does speak is held to the bound as before.
    loud = reference.copy()
    loud[..., 8] *= 1 + 2e-4
    assert not holds(gate, reference, loud, "sequence")


def test_a_gray_patch_is_allowed_a_quarter_of_a_step_of_a_pixel() -> None:
    _, reference = output("vae_decoder")
    reference[:, :, :16, :16] *= 1e-3
    gate = gates.find("vae_decoder", "float16", "mil")

    def with_error(steps: float) -> np.ndarray:
        found = reference.copy()
        found[:, :, :16, :16] += steps * 2 / 255
        return found

    assert holds(gate, reference, with_error(0.2), "image")
    assert not holds(gate, reference, with_error(0.5), "image")


@pytest.mark.parametrize("values", ["random", "trained"])
@pytest.mark.parametrize("precision", ["8-bit", "6-bit", "5-bit", "4-bit", "float16"])
@pytest.mark.parametrize("runtime", ["mlx", "mlx-dequantized"])
def test_every_language_model_has_its_gates(values: Any, precision: str, runtime: str) -> None:
    for name in ("conditioning", "logits" if values == "trained" else "stacked_hidden_states"):
        gate = gates.find("llm", precision, runtime, output=name, values=values)
        assert not gate.provisional
    trained = gates.find("llm", "8-bit", runtime, output="logits", values="trained")
    assert (trained.kl, trained.top1) == (0.01, 0.98)
    drawn = gates.find("llm", "8-bit", runtime, output="conditioning", values="trained")
    assert drawn.worst_cosine == 0.999


@pytest.mark.parametrize(
    "key", [("llm", "float32", "mil"), ("mcp", "float16", "mil"), ("mcp",) * 3]
)
def test_nothing_passes_without_a_gate(key: tuple[str, str, str]) -> None:
    with pytest.raises(UsageError, match="no gate"):
        gates.find(*key)


@pytest.mark.parametrize("component", HALVED)
def test_rounding_to_half_passes(component: str) -> None:
    name, reference = output(component)
    half = reference.astype(np.float16).astype(np.float32)
    assert holds(gates.find(component, "float16", "mil"), reference, half, LAYOUTS[name])


@pytest.mark.parametrize("component", PACKAGES)
def test_rounding_passes(component: str) -> None:
    name, reference = output(component)
    rounded = np.nextafter(reference, np.float32(np.inf))
    assert holds(gates.find(component, "float32", "mil"), reference, rounded, LAYOUTS[name])


@pytest.mark.parametrize("component", PACKAGES)
def test_half_precision_fails_a_float32_gate(component: str) -> None:
    name, reference = output(component)
    half = reference.astype(np.float16).astype(np.float32)
    assert not holds(gates.find(component, "float32", "mil"), reference, half, LAYOUTS[name])


@pytest.mark.parametrize(
    "gate",
    [gate for gate in gates.GATES if gate.output != gates.LOGITS],
    ids=lambda g: f"{g.component}-{g.precision}-{g.runtime}-{g.against}-{g.output}-{g.values}",
)
def test_every_gate_catches_every_damage(gate: gates.Gate) -> None:
    name, reference = output(gate.component)
    found = list(damages(reference, LAYOUTS[name]))
    assert len(found) >= 5
    if gate.coarse:
        assert gate.precision in {"5-bit", "4-bit", "small"}
        found = [damaged for damaged in found if damaged.kind in GLOBAL]
        assert len(found) == 2
    for damaged in found:
        assert not holds(gate, reference, damaged.values, LAYOUTS[name]), damaged.kind


@pytest.mark.parametrize(
    ("component", "kind"),
    [
        ("vision_encoder", "one token x1.5"),
        ("vae_decoder", "one patch x1.5"),
    ],
)
def test_the_worst_slice_catches_what_the_whole_tensor_hides(component: str, kind: str) -> None:
    """A PSNR of 35 dB, the usual bar, lets these pass."""
    name, reference = output(component)
    damaged = next(item.values for item in damages(reference, LAYOUTS[name]) if item.kind == kind)
    measured = compare(reference, damaged, LAYOUTS[name])
    assert measured.psnr > 35
    assert measured.cosine > 0.998
    gate = gates.find(component, "float16", "mil")
    broken = {row.metric for row in gates.apply(gate, measured) if not row.holds}
    assert "worst_slice" in broken


def test_nan_and_infinity_break_every_bound() -> None:
    _, reference = output("mcp")
    found = reference.copy()
    found[0, 3, 3] = np.nan
    for component, precision in (("mcp", "float32"), ("vision_encoder", "float16")):
        gate = gates.find(component, precision, "mil")
        rows = gates.apply(gate, compare(reference, found, "sequence"))
        assert not any(row.holds for row in rows)
        broken = replace(compare(reference, reference, "sequence"), relative_l2=float("nan"))
        assert not all(
            row.holds for row in gates.apply(gates.find("mcp", "float32", "mil"), broken)
        )


def test_a_gate_that_cannot_notice_is_no_pass() -> None:
    _, reference = output("mcp")
    blind = replace(gates.find("mcp", "float32", "mil"), relative_l2=9.0, worst_slice=9.0)
    result = judge(blind, "conditioning", reference, reference)
    assert all(row.holds for row in result.rows)
    assert not result.ok
    assert {control.damage for control in result.controls if not control.noticed} >= {
        "one token ruined"
    }


@pytest.mark.parametrize("other", [np.ones((1, 3, 5), np.float32), np.ones((1, 3, 4), np.float16)])
def test_an_output_of_another_shape_or_type_fails(other: np.ndarray) -> None:
    gate = gates.find("mcp", "float32", "mil")
    result = judge(gate, "conditioning", np.ones((1, 3, 4), np.float32), other)
    assert not result.ok
    assert result.problem is not None
    assert "expected float32 [1, 3, 4]" in result.problem
