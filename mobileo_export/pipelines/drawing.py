"""From hidden states to pixels: what generating and editing share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import __version__
from mobileo_export.errors import UsageError
from mobileo_export.pipelines import images, noise, schedule
from mobileo_export.pipelines.model import Branch, Event, Model, Observe
from mobileo_export.progress import OnProgress, Progress, ignore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.recipe import Recipe
    from mobileo_export.runtimes.base import Session

    Float = NDArray[np.float32]


MAX_GUIDANCE = 30


@dataclass(frozen=True)
class Drawing:
    """How to draw. :meth:`of` fills in a recipe's numbers and checks them.

    Attributes:
        steps: of the scheduler, 1 to 500.
        guidance: g of u + g·(c − u); 1 runs the conditional branch only.
        seed: of the noise, 0 to 2⁶⁴ − 1.
    """

    steps: int
    guidance: float
    seed: int = 0

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int = 0,
    ) -> Drawing:
        """The recipe's numbers where none are given.

        Raises:
            UsageError: one of them is out of range.
        """
        sampling = recipe.sampling
        steps = sampling.steps if steps is None else steps
        guidance = sampling.guidance_scale if guidance is None else guidance
        schedule.check_steps(steps)
        noise.check_seed(seed)
        if not 1 <= guidance <= MAX_GUIDANCE:
            raise UsageError(f"guidance {guidance:g}: choose 1 (none) to {MAX_GUIDANCE}")
        return cls(steps, guidance, seed)

    def texts(self, prompt: str) -> dict[str, str]:
        """What a picture says of itself: enough to draw it again with the same model."""
        return {
            "Software": f"mobileo-export {__version__}",
            "prompt": prompt,
            "steps": str(self.steps),
            "guidance": f"{self.guidance:g}",
            "seed": str(self.seed),
        }


@dataclass(frozen=True)
class Picture:
    """A drawn picture: ``pixels`` [H, W, 3] uint8, and the decoder's own ``image`` [1, 3, H, W]."""

    pixels: NDArray[np.uint8]
    image: Float
    drawing: Drawing
    input_ids: NDArray[np.int32]
    cut: int  # tokens of the user's text that did not fit


def draw(
    model: Model,
    hidden_states: Float,
    drawing: Drawing,
    progress: OnProgress = ignore,
    observe: Observe = ignore,
) -> Float:
    """The image [1, 3, H, W] that ``hidden_states`` [1, K, N, d] condition."""
    conditioning = condition(model, hidden_states, drawing.guidance != 1, progress, observe)
    latent = denoise(model, conditioning, drawing, progress, observe)
    return decode(model, latent, progress, observe)


def decode(
    model: Model, latent: Float, progress: OnProgress = ignore, observe: Observe = ignore
) -> Float:
    """The image [1, 3, H, W] of a denoised latent, which is divided by the scaling factor first."""
    scaled = latent / np.float32(model.recipe.latent.scaling_factor)
    with model.session("vae_decoder", progress) as decoder:
        progress(Progress("vae_decoder", "decoding", 0, 1))
        image: Float = _call(decoder, "vae_decoder", {"latent": scaled}, observe)["image"]
        progress(Progress("vae_decoder", "decoding", 1, 1))
    observe(Event("pixels", {"pixels": images.to_pixels(image)}))
    return image


def condition(
    model: Model,
    hidden_states: Float,
    guided: bool,
    progress: OnProgress = ignore,
    observe: Observe = ignore,
) -> dict[Branch, Float]:
    """The conditioning [1, N, C] of each branch: zero hidden states go through the MCP too."""
    states: dict[Branch, Float] = {"conditional": hidden_states}
    if guided:
        states["unconditional"] = np.zeros_like(hidden_states)
    with model.session("mcp", progress) as mcp:
        progress(Progress("mcp", "conditioning", 0, 1))
        found: dict[Branch, Float] = {
            branch: _call(mcp, "mcp", {"stacked_hidden_states": value}, observe, branch)[
                "conditioning"
            ]
            for branch, value in states.items()
        }
        progress(Progress("mcp", "conditioning", 1, 1))
    return found


def denoise(
    model: Model,
    conditioning: dict[Branch, Float],
    drawing: Drawing,
    progress: OnProgress = ignore,
    observe: Observe = ignore,
) -> Float:
    """The final latent, shaped as the recipe says, before it is divided by the scaling factor."""
    latent = noise.normal(drawing.seed, model.recipe.latent.shape)
    observe(Event("noise", {"latent": latent}))
    solver = model.solver(drawing.steps)
    masks = {b: np.ones(c.shape[:2], np.float32) for b, c in conditioning.items()}
    guidance = np.float32(drawing.guidance)
    together = 1 < len(conditioning) <= model.rows("dit")
    with model.session("dit", progress) as dit:
        for step, timestep in enumerate(solver.timesteps):
            progress(Progress("dit", "drawing", step, drawing.steps))
            rows = {
                branch: {
                    "latent": latent,
                    "timestep": np.array([timestep], np.float32),
                    "encoder_hidden_states": states,
                    "encoder_attention_mask": masks[branch],
                }
                for branch, states in conditioning.items()
            }
            velocities = _velocities(dit, rows, together, observe, step)
            velocity = velocities["conditional"]
            if "unconditional" in velocities:
                unconditional = velocities["unconditional"]
                velocity = unconditional + guidance * (velocity - unconditional)
            latent = solver.step(velocity, latent)
            observe(Event("solver", {"velocity": velocity, "latent": latent}, step=step))
        progress(Progress("dit", "drawing", drawing.steps, drawing.steps))
    return latent


def _velocities(
    dit: Session,
    rows: dict[Branch, dict[str, Any]],
    together: bool,
    observe: Observe,
    step: int,
) -> dict[Branch, Float]:
    """The velocity [1, C, S, S] of each branch, in one call of all rows or in a call for each."""
    if not together:
        return {
            branch: _call(dit, "dit", inputs, observe, branch, step)["velocity"]
            for branch, inputs in rows.items()
        }
    names = next(iter(rows.values()))
    found: Any = dit.run({n: np.concatenate([r[n] for r in rows.values()]) for n in names})
    velocities: dict[Branch, Float] = {}
    for index, (branch, inputs) in enumerate(rows.items()):
        velocities[branch] = found["velocity"][index : index + 1]
        observe(Event("dit", {**inputs, "velocity": velocities[branch]}, branch, step))
    return velocities


def _call(
    session: Session,
    name: str,
    inputs: dict[str, Any],
    observe: Observe,
    branch: Branch | None = None,
    step: int | None = None,
) -> dict[str, Any]:
    outputs = session.run(inputs)
    observe(Event(name, {**inputs, **outputs}, branch, step))
    return outputs
