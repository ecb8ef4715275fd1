"""What the components are compared on: what reaches them in use, as far as that can be made.

Text passes through the checkpoint's tokenizer and the reference language model, its hidden states
through the reference projector, and so on; noise is added where noise is what a component sees.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import recipe
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.components import SEQUENCE
from mobileo_export.parity import pictures
from mobileo_export.pipelines.tokens import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.runtimes.base import Array

PROMPT = "A red bicycle leaning against a yellow wall in the soft light of a late afternoon"
QUESTION = "What is in this picture, and what colour is it?"
INSTRUCTION = "Make the sky darker and add a full moon above the house"
SHORT, LONG = f"{SEQUENCE.low} tokens", f"{SEQUENCE.high} tokens"
PROMPTS = (SHORT, "prompt", "edit", LONG)  # the cases of the language model


@dataclass(frozen=True)
class Case:
    """Named inputs of one component, as its signature has them.

    Attributes:
        name: what it is.
        inputs: arrays by name.
        changes: (case, input) for the control that is this case with that input changed: only
            the reference runs it, to see that the gate can tell the two apart.
    """

    name: str
    inputs: dict[str, Array]
    changes: tuple[str, str] | None = None


@dataclass(frozen=True)
class Need:
    """The earlier component that feeds a component's cases.

    Attributes:
        component: its name.
        sources: of each case that is made from its reference outputs, the case that gives them.
    """

    component: str
    sources: Mapping[str, str]

    def of(self, names: tuple[str, ...] | None) -> tuple[str, ...]:
        """The cases that ``names`` are made from; None for all."""
        chosen = self.sources if names is None else names
        return tuple(dict.fromkeys(self.sources[n] for n in chosen if n in self.sources))


# The components as each is fed by those before it.
ORDER = ("vision_encoder", "llm", "mcp", "dit", "vae_decoder")
# The DiT's cases: timestep, the projector's case that gives the conditioning, tokens masked out.
DIT_CASES = (
    (999, "prompt", False),
    (499, "edit", False),
    (136, LONG, False),
    (1, SHORT, False),
    (999, "unconditional", False),
    (499, "prompt", True),
    (499, "noise", True),
)
CONTROL_BASE = -2  # of the DiT the masked prompt, where the mask matters too; of the LLM the edit


def _dit_name(timestep: int, source: str, masked: bool) -> str:
    return f"t={timestep}, {source}{', masked' if masked else ''}"


# Which earlier component feeds a component's cases, and which of its cases each.
NEEDS: dict[str, Need] = {
    "llm": Need("vision_encoder", {"edit": "drawn"}),
    "mcp": Need("llm", {**dict(zip(PROMPTS, PROMPTS, strict=True)), "unconditional": "prompt"}),
    "dit": Need("mcp", {_dit_name(*case): case[1] for case in DIT_CASES}),
    "vae_decoder": Need("dit", {"denoised": _dit_name(*DIT_CASES[0])}),
}
Outputs = Mapping[str, Mapping[str, "NDArray[Any]"]]  # case, then output name


def cases(
    component: str,
    checkpoint: Checkpoint,
    earlier: Outputs,
    names: tuple[str, ...] | None = None,
) -> Iterator[Case]:
    """The cases of a component.

    Args:
        component: a name of ``components.COMPONENTS``.
        checkpoint: gives the dimensions and the tokenizer.
        earlier: reference outputs of the component that :data:`NEEDS` names, of the cases that
            these are made from.
        names: which; None for all, and the controls.

    Raises:
        CheckpointError: the tokenizer's files are missing or damaged.
    """
    makers: dict[str, Any] = {
        "vision_encoder": _vision_encoder,
        "llm": _llm,
        "mcp": _mcp,
        "dit": _dit,
        "vae_decoder": _vae_decoder,
    }
    made: tuple[Case, ...] = tuple(makers[component](checkpoint, earlier))
    yield from (case for case in made if names is None or case.name in names)
    if names is None and len(made[CONTROL_BASE].inputs) > 1:
        yield from changed(made[CONTROL_BASE])


def case_names(component: str) -> tuple[str, ...]:
    """The names of a component's cases, without making them; the controls are left out."""
    names: dict[str, tuple[str, ...]] = {
        "vision_encoder": ("drawn", "noise", *pictures.PHOTOGRAPHS),
        "llm": PROMPTS,
        "mcp": (*PROMPTS, "unconditional", "noise"),
        "dit": tuple(_dit_name(*case) for case in DIT_CASES),
        "vae_decoder": ("smooth", "noise", "denoised"),
    }
    return names[component]


def changed(base: Case) -> Iterator[Case]:
    """``base`` with one input changed at a time."""
    for name, array in base.inputs.items():
        values: NDArray[Any] = array
        if name == "timestep":
            other = np.where(values < 500, 999, 1)
        elif name == "encoder_attention_mask":
            other = np.ones_like(values)
        else:
            other = values[..., ::-1]
        inputs = {**base.inputs, name: np.ascontiguousarray(other, values.dtype)}
        yield Case(f"{base.name}, other {name}", inputs, (base.name, name))


def _vision_encoder(checkpoint: Checkpoint, earlier: Outputs) -> Iterator[Case]:
    size = checkpoint.model.vision.image_size
    yield Case("drawn", {"images": pictures.drawn(size)[None]})
    noise = _random("images").random((1, 3, size, size), dtype=np.float32)
    yield Case("noise", {"images": noise})
    numbers = recipe.build(checkpoint.model, tokenizer_files.special_ids(checkpoint.path))
    for name, picture in pictures.photographs(numbers.preprocessing).items():
        yield Case(name, {"images": picture[None]})


def _llm(checkpoint: Checkpoint, earlier: Outputs) -> Iterator[Case]:
    prompts = recipe.Prompts()

    def turn(user: str) -> str:
        return prompts.template.format(system=prompts.system, user=user)

    encode = _encoder(checkpoint.path)
    ids = encode(turn(prompts.generate_prefix + PROMPT))
    long = encode(turn(prompts.generate_prefix + ", ".join([PROMPT] * SEQUENCE.high)))
    longest = min(SEQUENCE.high, checkpoint.model.llm.max_position_embeddings)
    edit = encode(turn(prompts.image_prefix + prompts.edit_prefix + INSTRUCTION))
    yield Case(SHORT, {"input_ids": ids[:, : SEQUENCE.low]})
    yield Case("prompt", {"input_ids": ids[:, :longest]})
    if "drawn" in earlier:
        features = earlier["drawn"]["image_features"]
        room = longest - features.shape[1] + 1  # one token stands for the whole picture
        yield Case("edit", {"input_ids": edit[:, :room], "image_features": features})
    yield Case(LONG, {"input_ids": long[:, :longest]})


def _mcp(checkpoint: Checkpoint, earlier: Outputs) -> Iterator[Case]:
    for name, outputs in earlier.items():
        yield Case(name, {"stacked_hidden_states": outputs["stacked_hidden_states"]})
    if "prompt" in earlier:
        prompt = earlier["prompt"]["stacked_hidden_states"]
        yield Case("unconditional", {"stacked_hidden_states": np.zeros_like(prompt)})
    model = checkpoint.model
    shape = (1, model.mcp.num_layers, SEQUENCE.default, model.llm.hidden_size)
    yield Case("noise", {"stacked_hidden_states": _normal("states", shape)})


def _dit(checkpoint: Checkpoint, earlier: Outputs) -> Iterator[Case]:
    dit = checkpoint.model.diffusion.dit
    shape = (1, dit.in_channels, dit.sample_size, dit.sample_size)
    noise, clean = _normal("latent", shape), smooth(shape)
    for timestep, source, masked in DIT_CASES:
        if source not in earlier:
            continue
        conditioning = earlier[source]["conditioning"]
        length = conditioning.shape[1]
        mask = np.ones((1, length), np.float32)
        if masked:
            mask[:, length * 2 // 3 :] = 0
        sigma = np.float32(timestep / 1000)
        yield Case(
            _dit_name(timestep, source, masked),
            {
                "latent": sigma * noise + (1 - sigma) * clean,
                "timestep": np.array([timestep], np.float32),
                "encoder_hidden_states": conditioning,
                "encoder_attention_mask": mask,
            },
        )


def _vae_decoder(checkpoint: Checkpoint, earlier: Outputs) -> Iterator[Case]:
    dit, vae = checkpoint.model.diffusion.dit, checkpoint.model.diffusion.vae
    shape = (1, dit.in_channels, dit.sample_size, dit.sample_size)
    scale = np.float32(1 / vae.scaling_factor)
    yield Case("smooth", {"latent": smooth(shape) * scale})
    yield Case("noise", {"latent": _normal("latent", shape) * scale})
    for outputs in earlier.values():
        velocity = np.asarray(outputs["velocity"], np.float32)
        denoised = _normal("latent", shape) - np.float32(0.999) * velocity
        yield Case("denoised", {"latent": denoised * scale})


def smooth(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A latent that varies slowly, as those of pictures do: [1, C, S, S], mean 0, std 1."""
    _, channels, height, width = shape
    y, x = np.mgrid[0:height, 0:width] / max(height, width) * 2 * np.pi
    random = np.random.default_rng(11)
    fy, fx, phase = random.uniform(0.3, 2, (3, channels, 1, 1))
    waves = np.sin(fy * y + fx * x + 3 * phase)
    waves = (waves - waves.mean()) / waves.std()
    result: NDArray[np.float32] = waves[None].astype(np.float32)
    return result


def _encoder(folder: Path) -> Callable[[str], NDArray[np.int32]]:
    """A function from text to ids [1, T] int32, special tokens recognised."""
    tokenizer = Tokenizer(folder)
    return lambda text: np.array([tokenizer.encode([text])], np.int32)


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def _normal(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return _random(name).standard_normal(shape, dtype=np.float32)
