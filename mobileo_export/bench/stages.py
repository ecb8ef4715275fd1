"""What is measured of a model: each stage's name, title, unit, and where it starts and ends.

The board's, the Mac's and the phone's benchmarks use these names and definitions; the phone's
(``PipelineBenchmark.swift``) are held to them by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.runtimes import registry


@dataclass(frozen=True)
class BenchStage:
    """One quantity.

    Attributes:
        title: on a page.
        unit: ms, s or tokens/s.
        definition: where it starts and ends, in one sentence.
        needs: the components that take part.
    """

    title: str
    unit: str
    definition: str
    needs: tuple[str, ...]


# In the order of a page.
STAGES: Mapping[str, BenchStage] = {
    "preprocessing": BenchStage(
        "Preprocessing",
        "ms",
        "From a decoded picture to the pixel tensor: padding, resizing, scaling",
        ("vision_encoder",),
    ),
    "vision_encoder": BenchStage(
        "Vision encoder",
        "ms",
        "From the pixel tensor in host memory to the image features in host memory",
        ("vision_encoder",),
    ),
    "prefill": BenchStage(
        "Reading the prompt",
        "ms",
        "From token ids and image features in host memory to the logits behind them: image "
        "projector, splice, language model",
        ("llm",),
    ),
    "time_to_first_token": BenchStage(
        "Time to first token",
        "ms",
        "From a decoded picture and the text of a question to the first piece of text that is not "
        "empty: preprocessing, vision encoder, prefill, choosing tokens and decoding them; nothing "
        "is loaded meanwhile",
        NEEDS["ask"],
    ),
    "decode_rate": BenchStage(
        "Tokens after the first",
        "tokens/s",
        "Tokens after the first, one by one, divided by their time, each chosen on the host",
        ("llm",),
    ),
    "llm": BenchStage(
        "Language model, for a picture",
        "ms",
        "From token ids to the hidden states that a picture is drawn from",
        ("llm",),
    ),
    "mcp": BenchStage(
        "Conditioning projector",
        "ms",
        "From hidden states to the conditioning, of all branches of guidance",
        ("mcp",),
    ),
    "dit_step": BenchStage(
        "A step of the transformer",
        "ms",
        "The transformer in one step of a picture, all branches of guidance",
        ("dit",),
    ),
    "vae_decoder": BenchStage(
        "Decoder",
        "ms",
        "From the latent to the image, both in host memory",
        ("vae_decoder",),
    ),
    "image": BenchStage(
        "A picture",
        "s",
        "From the text of a prompt to pixels in host memory: language model, projector, every step "
        "of the transformer with guidance, decoder; what has to be loaded meanwhile is not counted "
        "and stands apart",
        NEEDS["generate"],
    ),
    "loading": BenchStage(
        "Loading within a picture",
        "s",
        "What had to be loaded for a picture, because not all components fit into memory at once",
        NEEDS["generate"],
    ),
}
# Of a component's name, behind these: what was loaded, and how a page calls it.
LOADS: Mapping[str, str] = {
    "load_cold_": "first load",
    "load_warm_": "load again",
    "cold_": "first call, with its load",
}


def load_definition(prefix: str, component: str, runtime: str) -> str:
    """What the first or the second load of a component is on a runtime, in one sentence."""
    entry = registry.ENTRIES[runtime]
    if prefix == "load_cold_":
        return f"First load of {component} in this process: {entry.cold}"
    return f"Load of {component} after the first: {entry.warm}"


def load_of(name: str) -> tuple[str, str] | None:
    """Component and kind of a measurement that is a load; None of any other."""
    for prefix, kind in LOADS.items():
        if name.startswith(prefix):
            return name.removeprefix(prefix), kind
    return None


def stage_title(name: str) -> str:
    """What a page calls a measurement; its name, if it is none of ours."""
    return STAGES[name].title if name in STAGES else name
