"""The sample that weights are judged on: calls that the model's own pipelines make of its parts.

Captions are drawn from noise to pixels by the checkpoint's PyTorch modules; what was drawn is then
looked at, asked about and edited. Every component so gets what reaches it in use, along with what
it answered. One component is in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mobileo_export.parity import pictures
from mobileo_export.pipelines import drawing as drawings
from mobileo_export.pipelines import images
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.generate import see
from mobileo_export.pipelines.schedule import NumpySolver
from mobileo_export.progress import OnStage, ignore
from mobileo_export.sensitivity import prompts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mobileo_export.pipelines.model import Branch, Event, Model
    from mobileo_export.progress import Progress
    from mobileo_export.recipe import ImageSampling
    from mobileo_export.runtimes.base import Array
    from mobileo_export.runtimes.torch_reference import TorchSession

    Float = NDArray[np.float32]

STEPS_A_PICTURE = 4  # of the DiT's, spread over the schedule, other ones from picture to picture
LARGEST_LATENT = 8  # rows and columns of a latent that the decoder is judged on: memory
PICTURE = "picture "  # and its number: the name of what is kept of it
_DENOISED = "latent"  # a call among those of one picture: what they have made


@dataclass(frozen=True)
class Call:
    """One call of a component.

    Attributes:
        inputs: by name, as the signature has them.
        outputs: what the checkpoint's own weights make of them.
        weight: what a squared error of this call counts for.
    """

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    weight: float = 1.0


@dataclass
class SampledCalls:
    """Calls by component."""

    calls: dict[str, list[Call]] = field(default_factory=dict)

    def add(self, component: str, call: Call) -> None:
        """One more."""
        self.calls.setdefault(component, []).append(call)


# Gives what was kept under a name; has it made, and keeps it, if nothing was.
Kept = Callable[[str, Callable[[], SampledCalls]], SampledCalls]


def record(
    model: Model,
    captions: Sequence[str],
    steps: int | None = None,
    progress: OnStage = ignore,
    kept: Kept = lambda name, make: make(),
) -> SampledCalls:
    """Draw ``captions``, ask about them and edit some, with ``model`` opened with ``keep``.

    Args:
        model: of the checkpoint, which its PyTorch modules run.
        captions: a picture each; every third is edited.
        steps: of the schedule; the recipe's for None.
        progress: called with a stage, its steps that are done, and all of them.
        kept: of each picture, what takes long.
    """
    sample = SampledCalls()
    made = Drawing.of(model.recipe, steps)
    limit = model.longest_conditioning
    asked = [model.prompter.generate(text, limit).input_ids for text in captions]
    first = [{"input_ids": ids} for ids in asked]
    drawn = _drawn(model, sample, first, made, progress, kept, 0)
    size = model.recipe.preprocessing.image_size
    looked = [np.ascontiguousarray(_pixels(pictures.drawn(size)))]
    looked += [
        _pixels(picture) for picture in pictures.photographs(model.recipe.preprocessing).values()
    ]
    features = []
    for done, photo in enumerate([*looked, *drawn]):
        progress("looking", done, len(looked) + len(drawn))
        observe = _recorder(sample, {"vision_encoder": lambda event: 1.0})
        features.append(see(model, photo, observe=observe))
    model.release("vision_encoder")
    tokens = model.recipe.preprocessing.num_tokens
    edits: list[dict[str, Any]] = []
    for index, seen in enumerate(features[len(looked) :: 3]):
        text = prompts.INSTRUCTIONS[index % len(prompts.INSTRUCTIONS)]
        ids = model.prompter.edit(text, limit, tokens).input_ids
        edits.append({"input_ids": ids, "image_features": seen})
    talk: list[dict[str, Any]] = [
        {"input_ids": model.prompter.chat([text], model.longest_text).input_ids}
        for text in prompts.MESSAGES
    ]
    for index, seen in enumerate(features[::2]):
        text = prompts.QUESTIONS[index % len(prompts.QUESTIONS)]
        ids = model.prompter.ask(text, model.longest_text, tokens).input_ids
        talk.append({"input_ids": ids, "image_features": seen})
    with model.language_model() as llm:
        for inputs in talk:
            sample.add("llm", Call(inputs, llm.run(inputs)))
    _drawn(model, sample, edits, made, progress, kept, len(captions))
    return sample


def _drawn(
    model: Model,
    sample: SampledCalls,
    prompted: list[dict[str, Any]],
    how: Drawing,
    progress: OnStage,
    kept: Kept,
    first: int,
) -> list[NDArray[np.uint8]]:
    """Pictures of what was ``prompted``, seeds from ``first`` on, stage by stage."""
    stage = "editing" if first else "drawing"
    progress("reading prompts", 0, 1)
    hidden: list[Any] = []
    with model.language_model() as llm:
        for inputs in prompted:
            outputs = llm.run(inputs)
            sample.add("llm", Call(inputs, outputs))
            hidden.append(outputs["stacked_hidden_states"])
    model.release("llm")
    observe = _recorder(sample, {"mcp": lambda event: 1.0})
    conditionings = [
        drawings.condition(model, states, how.guidance != 1, observe=observe) for states in hidden
    ]
    model.release("mcp")
    moved = moves(model.recipe.sampling, how.steps)
    latents = []
    for index, conditioning in enumerate(conditionings, first):
        chosen = _steps(how.steps, index)
        share = how.steps / len(chosen)

        def weight(event: Event, chosen: set[int] = chosen, share: float = share) -> float:
            if event.step not in chosen:
                return 0.0
            branch = how.guidance if event.branch == "conditional" else how.guidance - 1
            return share * branch * moved[event.step]

        def denoised(
            index: int = index,
            conditioning: dict[Branch, Float] = conditioning,
            weight: Callable[[Event], float] = weight,
        ) -> SampledCalls:
            def told(event: Progress) -> None:
                if event.stage == "drawing":
                    done = (index - first) * how.steps + event.done
                    progress(stage, done, len(prompted) * how.steps)

            own = SampledCalls()
            drawing = replace(how, seed=index)
            observe = _recorder(own, {"dit": weight})
            latent = drawings.denoise(model, conditioning, drawing, told, observe)
            own.add(_DENOISED, Call({}, {"latent": latent}))
            return own

        one = kept(f"{PICTURE}{index}", denoised)
        for call in one.calls["dit"]:
            sample.add("dit", call)
        latents.append(one.calls[_DENOISED][0].outputs["latent"].astype(np.float32, copy=False))
    model.release("dit")
    drawn = []
    for index, latent in enumerate(latents):
        observe = _recorder(sample, {})
        image = drawings.decode(model, latent, observe=observe)
        drawn.append(images.to_pixels(image))
        corner = _corner(latent, index) / np.float32(model.recipe.latent.scaling_factor)
        if corner.shape == latent.shape:
            sample.add("vae_decoder", Call({"latent": corner}, {"image": image}))
        else:
            sample.add("vae_decoder", Call({"latent": corner}, {"image": _decoded(model, corner)}))
    model.release("vae_decoder")
    return drawn


def moves(sampling: ImageSampling, steps: int) -> tuple[float, ...]:
    """How far a velocity of 1 at each step moves the final latent, all others being what they are.

    The solver is linear in its velocities: what it makes of a 1 among zeros. An error of weights is
    much the same at every step, so that those of the velocities add up: the square of their sum,
    weighted so, is at most the sum of their squares, weighted so, times a constant.
    """
    found = []
    for step in range(steps):
        solver, latent = NumpySolver(sampling, steps), np.zeros(1, np.float32)
        for other in range(steps):
            latent = solver.step(np.full(1, float(other == step), np.float32), latent)
        found.append(abs(float(latent[0])))
    return tuple(found)


def _steps(steps: int, index: int) -> set[int]:
    """The steps of picture ``index`` that count: evenly spread, a picture's beside another's."""
    count = min(STEPS_A_PICTURE, steps)
    width = steps / count
    offset = (index * 0.618034) % 1  # the golden ratio spreads any number of them
    return {min(steps - 1, math.floor((place + offset) * width)) for place in range(count)}


def _corner(latent: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    """A part of a large latent, another from picture to picture."""
    side = min(LARGEST_LATENT, latent.shape[-1])
    room = latent.shape[-1] - side
    y, x = (index % 2) * room, (index // 2 % 2) * room
    return np.ascontiguousarray(latent[:, :, y : y + side, x : x + side])


def _decoded(model: Model, corner: Float) -> Float:
    """What the decoder makes of a part of a latent, which its session would refuse."""
    import torch

    with model.session("vae_decoder") as session, torch.inference_mode():
        image: Float = cast("TorchSession", session).module(torch.from_numpy(corner)).numpy()
    return image


def _pixels(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(picture.transpose(1, 2, 0) * 255).astype(np.uint8)


def _recorder(
    sample: SampledCalls, weights: Mapping[str, Callable[[Event], float]]
) -> Callable[[Event], None]:
    """Keeps the calls of some components that an event tells of, those with a weight."""
    from mobileo_export.components import COMPONENTS

    def record(event: Event) -> None:
        weigh = weights.get(event.stage)
        weight = 0.0 if weigh is None else weigh(event)
        if weight:
            names = COMPONENTS[event.stage].layouts
            outputs = {name: np.array(event.arrays[name]) for name in names}
            inputs = {n: np.array(a) for n, a in event.arrays.items() if n not in names}
            sample.add(event.stage, Call(inputs, outputs, weight))

    return record
