"""Text to picture, and picture and text to picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobileo_export.pipelines import drawing as drawings
from mobileo_export.pipelines import images
from mobileo_export.pipelines.drawing import Drawing, Picture
from mobileo_export.pipelines.model import Event, Model, Observe
from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.progress import OnProgress, Progress, ignore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.pipelines.tokens import Prompt


def generate(
    model: Model,
    caption: str,
    drawing: Drawing | None = None,
    progress: OnProgress = ignore,
    observe: Observe = ignore,
) -> Picture:
    """Draw ``caption``.

    Raises:
        UsageError: the caption is empty, or a number is out of range.
        BundleError: a component is missing or damaged.
    """
    model.require(*NEEDS["generate"])
    drawing = drawing or Drawing.of(model.recipe)
    prompt = model.prompter.generate(caption, model.longest_conditioning)
    return _draw(model, prompt, None, drawing, progress, observe)


def edit(
    model: Model,
    photo: NDArray[np.uint8],
    instruction: str,
    drawing: Drawing | None = None,
    progress: OnProgress = ignore,
    observe: Observe = ignore,
) -> Picture:
    """Draw ``photo`` [H, W, 3] uint8 anew, changed by ``instruction``.

    The picture reaches the DiT as features among the prompt's hidden states only; the latent starts
    from noise as it does for :func:`generate`.

    Raises:
        UsageError: the instruction is empty, or a number is out of range.
        BundleError: a component is missing or damaged.
    """
    model.require(*NEEDS["edit"])
    drawing = drawing or Drawing.of(model.recipe)
    tokens = model.recipe.preprocessing.num_tokens
    prompt = model.prompter.edit(instruction, model.longest_conditioning, tokens)
    features = see(model, photo, progress, observe)
    return _draw(model, prompt, features, drawing, progress, observe)


def see(
    model: Model,
    photo: NDArray[np.uint8],
    progress: OnProgress = ignore,
    observe: Observe = ignore,
) -> NDArray[np.float32]:
    """The features [1, M, F] of a photograph [H, W, 3] uint8."""
    prepared = images.prepare(photo, model.recipe.preprocessing)[None]
    observe(Event("photo", {"pixels": photo, "images": prepared}))
    with model.session("vision_encoder", progress) as encoder:
        progress(Progress("vision_encoder", "looking", 0, 1))
        features: NDArray[np.float32]
        outputs: dict[str, Any] = encoder.run({"images": prepared})
        features = outputs["image_features"]
        progress(Progress("vision_encoder", "looking", 1, 1))
    observe(Event("vision_encoder", {"images": prepared, "image_features": features}))
    return features


def _draw(
    model: Model,
    prompt: Prompt,
    features: NDArray[np.float32] | None,
    drawing: Drawing,
    progress: OnProgress,
    observe: Observe,
) -> Picture:
    inputs: dict[str, Any] = {"input_ids": prompt.input_ids}
    if features is not None:
        inputs["image_features"] = features
    with model.language_model(progress) as llm:
        progress(Progress("llm", "reading", 0, 1))
        outputs: dict[str, Any] = llm.run(inputs)
        progress(Progress("llm", "reading", 1, 1))
    observe(Event("llm", {**inputs, **outputs}))
    image = drawings.draw(model, outputs["stacked_hidden_states"], drawing, progress, observe)
    return Picture(images.to_pixels(image), image, drawing, prompt.input_ids, prompt.cut)
