"""The numeric recipe: texts and numbers that make a pipeline out of the components.

Plain data, written into every bundle and read by Python, Swift and the board; no constant of it
lives in two places. The values are those of the authors' Python inference, where their app
differs (see docs/recipe.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.checkpoint.tokenizer_files import SpecialTokens
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Prompts:
    """ChatML texts. ``{user}`` is replaced by the turn; nothing follows the open assistant turn.

    A conversation goes on with ``next_turn`` after each answer.
    """

    system: str = "You are a helpful assistant."
    template: str = (
        "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    next_turn: str = "<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
    generate_prefix: str = "Please generate image based on the following caption: "
    edit_prefix: str = "Please edit the provided image according to the following description: "
    image_prefix: str = "<image>\n"


@dataclass(frozen=True)
class ImageSampling:
    """How an image is drawn: DPM-Solver++ 2M on shifted flow sigmas (arXiv 2211.01095).

    sigma = linspace(0.999, 0, steps + 1) without its end, shifted s·σ / (1 + (s − 1)·σ), then 0;
    the DiT sees trunc(1000·σ). Guidance: u + g·(c − u), u from zero hidden states through the MCP.
    """

    flow_shift: float
    num_train_timesteps: int
    algorithm: str = "dpmsolver++"
    solver_order: int = 2
    prediction_type: str = "flow_prediction"
    steps: int = 20
    guidance_scale: float = 1.5
    timestep_rounding: str = "truncate"
    unconditional: str = "zero_hidden_states"


@dataclass(frozen=True)
class Latent:
    """The latent image: ``decode(latent / scaling_factor)``; noise from a portable generator."""

    shape: tuple[int, ...]
    scaling_factor: float
    noise: str = "philox4x64-10/box-muller-f64/v1"


@dataclass(frozen=True)
class Image:
    """Decoded pixels: (x / 2 + 0.5) clamped to 0..1, times 255, rounded to nearest."""

    size: int
    rounding: str = "nearest"


@dataclass(frozen=True)
class Preprocessing:
    """A photograph for the vision encoder: padded to a square, resized, scaled to 0..1."""

    image_size: int
    num_tokens: int
    fit: str = "pad"
    pad_color: tuple[int, int, int] = (0, 0, 0)
    resample: str = "bicubic"
    color_space: str = "sRGB"
    rescale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Text:
    """How an answer is generated; temperature 0 takes the most probable token each time.

    It ends at any of ``stop_token_ids`` or after ``max_new_tokens``.
    """

    image_token_id: int
    stop_token_ids: tuple[int, ...]
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """Everything above, for one model."""

    prompts: Prompts
    sampling: ImageSampling
    latent: Latent
    image: Image
    preprocessing: Preprocessing
    text: Text
    hidden_states: int  # K: how many of the last hidden states condition the image


def from_manifest(content: Mapping[str, Any]) -> Recipe:
    """The recipe that a bundle's manifest carries; the manifest fits its schema."""
    parts: dict[str, Any] = {
        "prompts": Prompts,
        "sampling": ImageSampling,
        "latent": Latent,
        "image": Image,
        "preprocessing": Preprocessing,
        "text": Text,
    }

    def restored(value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    built = {
        name: kind(**{key: restored(value) for key, value in content[name].items()})
        for name, kind in parts.items()
    }
    return Recipe(**built, hidden_states=content["hidden_states"])


def build(model: ModelConfig, tokens: SpecialTokens) -> Recipe:
    """The recipe of a model: published constants plus what its own configuration fixes."""
    dit, scheduler = model.diffusion.dit, model.diffusion.scheduler
    return Recipe(
        prompts=Prompts(),
        sampling=ImageSampling(scheduler.flow_shift, scheduler.num_train_timesteps),
        latent=Latent(
            (1, dit.in_channels, dit.sample_size, dit.sample_size),
            model.diffusion.vae.scaling_factor,
        ),
        image=Image(model.image_size),
        preprocessing=Preprocessing(model.vision.image_size, model.vision.num_tokens),
        text=Text(tokens.image_token_id, stop_token_ids(model, tokens)),
        hidden_states=model.mcp.num_layers,
    )


def stop_token_ids(model: ModelConfig, tokens: SpecialTokens) -> tuple[int, ...]:
    """The tokens that end an answer: of the turn, of the tokenizer and of the configuration."""
    return tuple(sorted({tokens.im_end_id, tokens.eos_token_id, *model.end_token_ids}))


def image_span(input_ids: NDArray[Any], image_token_id: int, num_tokens: int) -> tuple[int, int]:
    """Where image features are spliced into a prompt: positions [start, stop) of ``input_ids`` [T].

    Either one image token stands for all M features (the sequence grows to T - 1 + M), or M
    consecutive image tokens stand for one feature each (the length stays T).

    Raises:
        UsageError: the prompt holds no image token, a wrong number, or scattered ones.
    """
    import numpy as np

    positions = np.flatnonzero(np.asarray(input_ids).reshape(-1) == image_token_id)
    count = len(positions)
    if count not in {1, num_tokens}:
        raise UsageError(
            f"input_ids: holds {count} image tokens (id {image_token_id}), but image_features "
            f"needs exactly one, or {num_tokens} in a row"
        )
    start, stop = int(positions[0]), int(positions[-1]) + 1
    if stop - start != count:
        raise UsageError(
            f"input_ids: the {count} image tokens (id {image_token_id}) are not consecutive; "
            "put them in a row, or give exactly one"
        )
    return start, stop
