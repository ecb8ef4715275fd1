"""What a drawing looks like before it is finished, at little cost.

The solver's estimate of the finished latent is decoded halfway, and more often where decoding is
quick beside a step. Where it is not, a linear map from latent to color gives a picture as small as
the latent. It begins as a bundle's manifest has it, and is fitted by least squares to the latents
that were decoded so far and the pictures that came.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mobileo_export.pipelines import drawing as drawings
from mobileo_export.pipelines import images, schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.pipelines.drawing import Drawing
    from mobileo_export.pipelines.model import Event, Model

    Float = NDArray[np.float32]

_SHARE = 4  # steps take at least so many times what decoding previews does
_SPARSEST = 5  # decoded less often than at every fifth step, estimates show more
_RIDGE = 1e-3
_BELIEF = 0.25  # of a picture: what the map that a fit begins with weighs


class ColorFit:
    """A linear map from the channels of a latent to those of a picture, fitted as pictures come."""

    def __init__(self, preview: Mapping[str, Any] | None = None) -> None:
        """``preview`` is that of a manifest."""
        self._moments: NDArray[np.float64] | None = None
        self._targets: NDArray[np.float64]
        self._first: NDArray[np.float64] | None = None
        if preview is not None:
            self._first = np.column_stack([preview["matrix"], preview["offset"]])

    def learn(self, latent: Float, image: Float) -> None:
        """Take in what the decoder made of ``latent`` [1, C, h, w]: ``image`` [1, 3, H, W]."""
        height, width = latent.shape[2:]
        blocks = image[0].reshape(3, height, image.shape[2] // height, width, -1)
        colors = blocks.mean((2, 4), dtype=np.float64).reshape(3, -1)
        inputs = _columns(latent)
        if self._moments is None:
            first = self._first
            belief = _RIDGE if first is None else _BELIEF * inputs.shape[1]
            self._moments = belief * np.eye(len(inputs))
            self._targets = np.zeros((3, len(inputs))) if first is None else belief * first
        self._moments += inputs @ inputs.T
        self._targets += colors @ inputs.T

    def estimate(self, latent: Float) -> NDArray[np.uint8] | None:
        """The picture [h, w, 3] of ``latent``; None before anything was known."""
        if self._moments is not None:
            weights = np.linalg.solve(self._moments, self._targets.T).T
        elif self._first is not None:
            weights = self._first
        else:
            return None
        image = (weights @ _columns(latent)).reshape(1, 3, *latent.shape[2:])
        return images.to_pixels(image.astype(np.float32))


def _columns(latent: Float) -> NDArray[np.float64]:
    """The channels of each place, and 1: [C + 1, h · w]."""
    flat = latent[0].reshape(latent.shape[1], -1).astype(np.float64)
    return np.concatenate([flat, np.ones((1, flat.shape[1]))])


@dataclass(frozen=True)
class Preview:
    """``pixels`` [h, w, 3], ``decoded`` in full or an ``estimate`` of the colors."""

    pixels: NDArray[np.uint8]
    kind: Literal["decoded", "estimate"]


OnStep = Callable[[int, Preview | None], None]


class Previews:
    """The previews of one model; what a drawing teaches is of use to the next."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._fit = ColorFit(model.preview)
        self._decoding = math.inf  # seconds that the last one took

    def observer(self, drawing: Drawing, show: OnStep) -> Callable[[Event], None]:
        """What is to observe one drawing; ``show`` gets each step, from 1, with its preview."""
        levels = schedule.sigmas(self._model.recipe.sampling, drawing.steps).astype(np.float32)
        latent: Float | None = None
        began = time.perf_counter()

        def observe(event: Event) -> None:
            nonlocal latent, began
            arrays: Any = event.arrays
            if event.stage == "dit":
                latent = arrays["latent"]
            elif event.stage == "vae_decoder":
                self._fit.learn(arrays["latent"], arrays["image"])
            elif event.stage == "noise":
                began = time.perf_counter()
            elif event.stage == "solver" and event.step is not None and latent is not None:
                took = time.perf_counter() - began
                finished = latent - levels[event.step] * arrays["velocity"]
                show(event.step + 1, self._made(finished, event.step + 1, drawing, took))
                began = time.perf_counter()  # a preview takes no part in the time of a step

        return observe

    def _made(self, latent: Float, step: int, drawing: Drawing, took: float) -> Preview | None:
        """A preview of ``latent``, the finished one as ``step`` sees it, which ``took`` seconds."""
        if step == drawing.steps:  # the picture itself comes next
            return None
        halfway = step == (drawing.steps + 1) // 2
        every = max(1.0, _SHARE * self._decoding / took)
        if halfway or (every <= _SPARSEST and step % math.ceil(every) == 0):
            return Preview(images.to_pixels(self._decoded(latent)), "decoded")
        if every <= _SPARSEST:
            return None
        pixels = self._fit.estimate(latent / np.float32(self._model.recipe.latent.scaling_factor))
        return None if pixels is None else Preview(pixels, "estimate")

    def _decoded(self, latent: Float) -> Float:
        seen: list[Event] = []
        with self._model.session("vae_decoder"):  # loading it takes no part in the time
            began = time.perf_counter()
            image = drawings.decode(self._model, latent, observe=seen.append)
            self._decoding = time.perf_counter() - began
        arrays: Any = seen[0].arrays
        self._fit.learn(arrays["latent"], image)
        return image
