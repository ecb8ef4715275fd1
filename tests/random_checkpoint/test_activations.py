"""What a random checkpoint computes: activations of a sane scale, every tensor in use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.model_config import VISION
from mobileo_export.components import COMPONENTS
from tests.random_checkpoint.tiny import run

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Weights


# What carries the stream from one block to the next, and how many of them there are.
_BLOCKS = {
    "vision_encoder": (r"\.(stem\.\d|stages\.\d\.(downsample|blocks\.\d)|final_conv)$", 15),
    "mcp": (r"(input_compress|sequence_refiners\.\d|output_proj)$", 4),
    "dit": (r"\.(patch_embed|caption_norm|transformer_blocks\.\d|proj_out)$", 6),
    "vae_decoder": (r"\.(conv_in|up_blocks\.\d\.\d|conv_out)$", 9),
    "llm": (r"\.layers\.\d$", 4),
}


@pytest.mark.parametrize("weights", ["released", "post-trained"])
@pytest.mark.parametrize("component", COMPONENTS)
def test_every_block_s_output_has_a_sane_scale(
    checkpoint: Checkpoint, component: str, weights: Weights
) -> None:
    torch = pytest.importorskip("torch")
    spec = COMPONENTS[component]
    module = spec.reference(checkpoint, weights)
    pattern, blocks = _BLOCKS[component]
    scales: dict[str, float] = {}

    def watch(name: str) -> Any:
        def hook(_: Any, __: Any, output: Any) -> None:
            stream = output[0] if isinstance(output, tuple) else output
            scales[name] = float(stream.std())

        return hook

    for name, child in module.named_modules():
        if re.search(pattern, name):
            child.register_forward_hook(watch(name))
    with torch.no_grad():
        outputs = run(module, spec.example_inputs(checkpoint.model))
    scales |= {f"output {index}": float(output.std()) for index, output in enumerate(outputs)}
    assert len(scales) >= blocks
    assert {name: scale for name, scale in scales.items() if not 0.05 < scale < 10} == {}


# By construction: a bias that is the same for all keys does not change a softmax.
_INERT = re.compile(r"attn2\.to_k\.bias$")


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_tensor_moves_the_output(checkpoint: Checkpoint, component: str) -> None:
    """A tensor that had no effect could be wrong in an artifact and no comparison would tell.

    The effect is the change of the output, in its standard deviations, that a change of the tensor
    by its own size would make if all were linear.
    """
    torch = pytest.importorskip("torch")
    spec = COMPONENTS[component]
    module = spec.reference(checkpoint, "released").requires_grad_(True)
    inputs = spec.example_inputs(checkpoint.model)
    if component == "llm":
        features = spec.inputs(checkpoint.model)[1]
        inputs["input_ids"][0, 3] = tokenizer_files.special_ids(checkpoint.path).image_token_id
        random = np.random.default_rng(0)
        inputs["image_features"] = random.standard_normal(features.at(), dtype=np.float32)
    outputs = run(module, inputs)
    # Random weights keep the terms of the sum from cancelling.
    generator = torch.Generator().manual_seed(0)
    sum(
        (output * torch.randn(output.shape, generator=generator)).sum() / output.std()
        for output in outputs
    ).backward()
    elements = sum(output.numel() for output in outputs)
    effects = {}
    for name, parameter in module.named_parameters():
        if not _INERT.search(name):
            assert parameter.grad is not None, name
            effect = parameter.grad.norm() * parameter.detach().norm()
            effects[name] = float(effect) / elements**0.5
    assert {name: effect for name, effect in effects.items() if not effect > 0.01} == {}


def test_next_token_scores_are_not_degenerate(checkpoint: Checkpoint) -> None:
    torch = pytest.importorskip("torch")
    spec = COMPONENTS["llm"]
    module = spec.reference(checkpoint, "released")
    chosen = set()
    for seed in range(12):
        with torch.no_grad():
            logits = run(module, spec.example_inputs(checkpoint.model, seed))[1][0]
        assert 0.5 < float(logits.std()) < 5
        probabilities = logits.softmax(-1)
        entropy = float(-(probabilities * probabilities.log()).sum())
        assert 1 < entropy < 0.95 * np.log(len(logits))
        chosen.add(int(logits.argmax()))
    assert len(chosen) > 6


@pytest.mark.parametrize(
    ("component", "changed", "least"),
    [
        ("dit", "encoder_hidden_states", 0.05),
        ("dit", "timestep", 0.05),
        ("dit", "latent", 0.5),
        ("mcp", "stacked_hidden_states", 0.5),
        ("vae_decoder", "latent", 0.5),
        ("vision_encoder", "images", 0.02),
    ],
)
def test_outputs_depend_on_every_input(
    checkpoint: Checkpoint, component: str, changed: str, least: float
) -> None:
    torch = pytest.importorskip("torch")
    spec = COMPONENTS[component]
    module = spec.reference(checkpoint, "released")
    first = spec.example_inputs(checkpoint.model, 0)
    other = np.full(1, 100, np.float32)
    if changed != "timestep":
        other = spec.example_inputs(checkpoint.model, 1)[changed]
    with torch.no_grad():
        one, two = (run(module, inputs)[0] for inputs in (first, first | {changed: other}))
    assert float((one - two).norm() / one.norm()) > least


def test_vision_kernels_that_hold_a_residual_are_near_the_identity(
    checkpoint: Checkpoint,
) -> None:
    for name in ("network.0.0.token_mixer.reparam_conv.weight", "network.6.reparam_conv.weight"):
        kernels = checkpoint.read(VISION + name, "released")
        side = kernels.shape[-1] // 2
        assert kernels[..., side, side].mean() == pytest.approx(1, abs=0.1)
        kernels[..., side, side] -= 1
        assert np.abs(kernels).max() < 0.3
