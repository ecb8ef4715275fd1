"""The stages of a trace: what each call takes and gives, and ours of those without weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.aimodel import asset
from mobileo_export.artifacts.onnx import folder as onnx_folder
from mobileo_export.pipelines import images, noise, sampling
from mobileo_export.pipelines.schedule import NumpySolver
from mobileo_export.runtimes.cached_decoder import CachedLanguageModelSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.pipelines.model import Model
    from mobileo_export.pipelines.tokens import Prompt, Prompter

    Arrays = dict[str, NDArray[Any]]
    Values = Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """Names of arrays and numbers of a call, and the gate of each output.

    Attributes:
        inputs: required arrays.
        outputs: arrays, with the names of their gates.
        optional: arrays that only some calls take.
        values: numbers, in the call's ``values``.
        component: that executes it, None where code of a few lines does.
    """

    inputs: tuple[str, ...]
    outputs: Mapping[str, str]
    optional: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    component: str | None = None


# What in the language model's folder has the projector as a graph of its own.
_PROJECTS = (f"{onnx_folder.PROJECTOR}.onnx", asset.LANGUAGE_MODEL)
_STATES = {"stacked_hidden_states": "stacked_hidden_states", "logits": "logits"}
STAGES: dict[str, Stage] = {
    "tokens": Stage((), {"input_ids": "exact"}),
    "preprocess": Stage(("pixels",), {"images": "images"}),
    "vision_encoder": Stage(
        ("images",), {"image_features": "image_features"}, component="vision_encoder"
    ),
    "projector": Stage(("image_features",), {"projected_features": "projected_features"}),
    "llm": Stage(("input_ids",), _STATES, ("image_features",), component="llm"),
    "llm_step": Stage(("token_id",), {"logits": "logits"}, component="llm"),
    "mcp": Stage(("stacked_hidden_states",), {"conditioning": "conditioning"}, component="mcp"),
    "noise": Stage((), {"latent": "noise"}),
    "dit": Stage(
        ("latent", "timestep", "encoder_hidden_states", "encoder_attention_mask"),
        {"velocity": "velocity"},
        component="dit",
    ),
    "guidance": Stage(
        ("conditional", "unconditional"), {"velocity": "arithmetic"}, values=("guidance",)
    ),
    "solver": Stage(
        ("latent", "velocity"),
        {"next_latent": "arithmetic"},
        ("earlier_latent", "earlier_velocity"),
        ("earlier_sigma", "sigma", "next_sigma"),
    ),
    "unscale": Stage(("latent",), {"scaled": "arithmetic"}, values=("scaling_factor",)),
    "vae_decoder": Stage(("latent",), {"image": "image"}, component="vae_decoder"),
    "pixels": Stage(("image",), {"pixels": "exact"}),
    "sample": Stage(("logits",), {"token_id": "exact"}, values=("temperature", "top_p", "uniform")),
}


def prompt(
    prompter: Prompter, pipeline: str, texts: Sequence[str], limit: int, tokens: int
) -> Prompt:
    """The prompt of a run, made by our tokenizer; a picture takes the place of ``tokens``."""
    if pipeline == "generate":
        return prompter.generate(texts[0], limit)
    if pipeline == "edit":
        return prompter.edit(texts[0], limit, tokens)
    if pipeline == "ask":
        return prompter.ask(texts[0], limit, tokens)
    return prompter.chat(texts, limit)


@dataclass
class Replayer:
    """Runs the stages of one run that need no weights, on recorded inputs, in order."""

    model: Model
    run: Mapping[str, Any]
    folder: Path  # of the language model, for its projector
    _steps: NumpySolver | None = field(default=None)

    def __call__(self, stage: str, inputs: Arrays, values: Values) -> Arrays:
        """The outputs of a call.

        Raises:
            MobileoError: the inputs mean nothing.
        """
        handler: Any = getattr(self, f"_{stage}")
        (name,) = STAGES[stage].outputs
        return {name: handler(inputs, values)}

    def _tokens(self, inputs: Arrays, values: Values) -> NDArray[Any]:
        run, tokens = self.run, self.model.recipe.preprocessing.num_tokens
        asked = run["pipeline"], run["texts"], run["limit"]
        return prompt(self.model.prompter, *asked, tokens).input_ids

    def _preprocess(self, inputs: Arrays, values: Values) -> NDArray[Any]:
        return images.prepare(inputs["pixels"], self.model.recipe.preprocessing)[None]

    def _projector(self, inputs: Arrays, values: Values) -> NDArray[Any]:
        features = inputs["image_features"]
        if any((self.folder / name).exists() for name in _PROJECTS):
            with self.model.language_model() as session:
                assert isinstance(session, CachedLanguageModelSession)
                return session.project(features)
        return project(self.folder, features)

    def _noise(self, inputs: Arrays, values: Values) -> NDArray[Any]:
        return noise.normal(self.run["drawing"]["seed"], self.model.recipe.latent.shape)

    def _guidance(self, inputs: Arrays, values: Values) -> NDArray[Any]:
        conditional, unconditional = inputs["conditional"], inputs["unconditional"]
        guided: NDArray[Any] = unconditional + np.float32(values["guidance"]) * (
            conditional - unconditional
        )
        return guided

    def _solver(self, inputs: Arrays, values: Values) -> NDArray[Any]:
        if self._steps is None:
            steps = self.run["drawing"]["steps"]
            self._steps = NumpySolver(self.model.recipe.sampling, steps)
        return self._steps.step(inputs["velocity"], inputs["latent"])

    def _unscale(self, inputs: Arrays, values: Values) -> NDArray[Any]:
        scaled: NDArray[Any] = inputs["latent"] / np.float32(values["scaling_factor"])
        return scaled

    def _pixels(self, inputs: Arrays, values: Values) -> NDArray[Any]:
        return images.to_pixels(inputs["image"])

    def _sample(self, inputs: Arrays, values: Values) -> NDArray[Any]:
        token = sampling.choose(
            inputs["logits"],
            values["temperature"],
            values["top_p"],
            lambda: float(values["uniform"]),
        )
        return np.array([token], np.int32)


def project(folder: Path, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The folder's image projector, linear, GELU, linear, in NumPy: [1, M, F] to [1, M, d].

    Raises:
        BundleError: the folder is damaged.
    """
    from mobileo_export.artifacts.mlx.folder import open_folder

    opened = open_folder(folder)
    weight = {
        index: opened.read(f"model.mm_projector.{index}.weight").T.astype(np.float64)
        for index in (0, 2)
    }
    bias = {index: opened.read(f"model.mm_projector.{index}.bias") for index in (0, 2)}
    hidden = features.astype(np.float64) @ weight[0] + bias[0]
    erf = np.array([math.erf(x) for x in (hidden / math.sqrt(2)).flat]).reshape(hidden.shape)
    projected: NDArray[np.float32] = (hidden * (1 + erf) / 2 @ weight[2] + bias[2]).astype(
        np.float32
    )
    return projected
