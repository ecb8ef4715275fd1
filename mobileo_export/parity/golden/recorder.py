"""From what a pipeline reports to the calls of a trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.golden.stages import STAGES
from mobileo_export.parity.golden.store import AxisSample, Writer
from mobileo_export.pipelines import noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from mobileo_export.pipelines.model import Event
    from mobileo_export.recipe import Recipe

    Array = NDArray[Any]
_SAMPLED_AXIS = 2  # tokens of stacked_hidden_states [1, K, N, d], rows of images [1, 3, S, S]


@dataclass
class Recorder:
    """Listens to one run of a pipeline; ``calls`` is what it heard, in order.

    Attributes:
        name: of the run, the beginning of its entries' names.
        run: its settings, as the index has them.
        writer: takes the arrays.
        recipe: of the model.
        sigmas: of the solver, as it uses them.
        project: the language model's image projector.
    """

    name: str
    run: Mapping[str, Any]
    writer: Writer
    recipe: Recipe
    sigmas: tuple[float, ...]
    project: Callable[[Array], Array]
    calls: list[dict[str, Any]] = field(default_factory=list)
    _velocities: dict[str, Array] = field(default_factory=dict)
    _latents: list[Array] = field(default_factory=list)
    _guided: list[Array] = field(default_factory=list)
    _image: Array = field(default_factory=lambda: np.empty(0, np.float32))
    _token: Array | None = None
    _uniform: noise.Uniform | None = None

    def __call__(self, event: Event) -> None:
        """Add the calls that an event stands for."""
        arrays: dict[str, Any] = dict(event.arrays)
        handler = getattr(self, f"_on_{event.stage}", None)
        if handler is not None:
            handler(arrays, event)
        elif event.stage in STAGES:
            self._add(event.stage, arrays, event)

    def preprocess(self, pixels: Array, images: Array) -> None:
        """One more picture [H, W, 3] for the vision encoder, [1, 3, S, S]; rows are left out."""
        self._add("preprocess", {"pixels": pixels, "images": images}, sampled=("images",))

    def _add(
        self,
        stage: str,
        arrays: Mapping[str, Array],
        event: Event | None = None,
        values: Mapping[str, Any] | None = None,
        sampled: tuple[str, ...] = (),
    ) -> None:
        spec = STAGES[stage]
        branch = event.branch if event else None
        step = event.step if event else None
        parts = [self.name, stage, *(str(p) for p in (step, branch) if p is not None)]

        def stored(name: str) -> int:
            array = arrays[name]
            sample = (
                AxisSample.of(array.shape[_SAMPLED_AXIS], _SAMPLED_AXIS)
                if name in sampled
                else None
            )
            scale = self.recipe.preprocessing.rescale if name == "images" else None
            return self.writer.add("/".join([*parts, name]), array, sample, scale)

        names = (*spec.inputs, *(name for name in spec.optional if name in arrays))
        self.calls.append(
            {
                "stage": stage,
                "step": step,
                "branch": branch,
                "inputs": {name: stored(name) for name in names},
                "values": dict(values or {}),
                "outputs": {
                    name: {"entry": stored(name), "gate": gate}
                    for name, gate in spec.outputs.items()
                },
            }
        )

    def _on_photo(self, arrays: dict[str, Array], event: Event) -> None:
        self._add("preprocess", arrays)

    def _on_llm(self, arrays: dict[str, Array], event: Event) -> None:
        features = arrays.get("image_features")
        if features is not None:
            self._add("projector", {**arrays, "projected_features": self.project(features)})
        # Nothing but a comparison reads an answer's hidden states.
        answers = self.run["sampling"] is not None
        self._add("llm", arrays, sampled=("stacked_hidden_states",) if answers else ())
        self._add("tokens", arrays)
        self.calls.insert(0, self.calls.pop())

    def _on_noise(self, arrays: dict[str, Array], event: Event) -> None:
        self._add("noise", arrays)
        self._latents = [arrays["latent"].copy()]

    def _on_dit(self, arrays: dict[str, Array], event: Event) -> None:
        self._add("dit", arrays, event)
        self._velocities[str(event.branch)] = arrays["velocity"]

    def _on_solver(self, arrays: dict[str, Array], event: Event) -> None:
        step, velocity, latents = event.step or 0, arrays["velocity"], self._latents
        if len(self._velocities) > 1:
            guidance = {"guidance": self.run["drawing"]["guidance"]}
            self._add("guidance", {**self._velocities, "velocity": velocity}, event, guidance)
        latents.append(arrays["latent"])
        self._guided.append(velocity)
        given = {"latent": latents[step], "velocity": velocity, "next_latent": latents[step + 1]}
        values = {
            "earlier_sigma": self.sigmas[step - 1] if step else None,
            "sigma": self.sigmas[step],
            "next_sigma": self.sigmas[step + 1],
        }
        if step:
            given["earlier_latent"] = latents[step - 1]
            given["earlier_velocity"] = self._guided[step - 1]
        self._add("solver", given, event, values)

    def _on_vae_decoder(self, arrays: dict[str, Array], event: Event) -> None:
        factor = {"scaling_factor": self.recipe.latent.scaling_factor}
        self._add(
            "unscale", {"latent": self._latents[-1], "scaled": arrays["latent"]}, None, factor
        )
        self._add("vae_decoder", arrays)
        self._image = arrays["image"]

    def _on_pixels(self, arrays: dict[str, Array], event: Event) -> None:
        self._add("pixels", {**arrays, "image": self._image})

    def _on_sampled(self, arrays: dict[str, Array], event: Event) -> None:
        if self._token is not None:
            self._add("llm_step", {**arrays, "token_id": self._token}, event)
        how = self.run["sampling"]
        if self._uniform is None:
            self._uniform = noise.Uniform(how["seed"])
        values = {
            "temperature": how["temperature"],
            "top_p": how["top_p"],
            "uniform": self._uniform() if how["temperature"] else None,
        }
        self._add("sample", arrays, event, values)
        self._token = np.asarray(arrays["token_id"])
