"""The two sides of a chain: what each makes of a prompt, kept step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import recipe as recipes
from mobileo_export.pipelines import drawing as drawings
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import Event, Model
from mobileo_export.pipelines.schedule import NumpySolver
from mobileo_export.pipelines.tokens import Tokenizer
from mobileo_export.progress import OnProgress, Progress
from mobileo_export.runtimes import select

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.runtimes.base import Session

    Float = NDArray[np.float32]

# Puts something around the session of a component, by name: how mutations get into a chain.
Wrap = Callable[[str, "Session"], "Session"]
JOB = "chain"


def unchanged(name: str, session: Session) -> Session:
    """The :data:`Wrap` that puts nothing around it."""
    return session


@dataclass
class Trajectory:
    """What one side made of one prompt; a latent is kilobytes, so that all of them are kept."""

    conditioning: dict[str, Float] = field(default_factory=dict)
    timesteps: list[float] = field(default_factory=list)
    velocities: list[Float] = field(default_factory=list)
    latents: list[Float] = field(default_factory=list)
    image: Float | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def trace(
    model: Model,
    states: Mapping[str, Float],
    drawing: Drawing,
    side: str,
    progress: OnProgress = lambda event: None,
) -> dict[str, Trajectory]:
    """The trajectory of each of the hidden states [1, K, N, d], one component after the other.

    Args:
        model: opened with ``keep``, so that a component is loaded once for all of them.
        states: by the name of the chain.
        drawing: steps, guidance and seed.
        side: a word for progress.
        progress: called before each component and each step.

    Raises:
        BundleError, UsageError: a component of the model cannot do what it is asked to.
    """
    found = {name: Trajectory() for name in states}
    total, done = len(states) * (drawing.steps + 2), 0

    def count(event: Event | None = None) -> None:
        nonlocal done
        if event is None or event.stage == "solver":
            done += 1
            progress(Progress(JOB, side, done, total))

    progress(Progress(JOB, side, 0, total))
    with model:
        with model.session("mcp"):  # kept open, so that loading it counts for nobody
            for name, hidden in states.items():
                started = time.perf_counter()
                conditioning: Any = drawings.condition(model, hidden, drawing.guidance != 1)
                found[name].seconds["mcp"] = time.perf_counter() - started
                found[name].conditioning.update(conditioning)
                count()
        model.close()
        with model.session("dit"):
            for trajectory in found.values():
                conditions: Any = trajectory.conditioning
                record = _recorder(trajectory, count)
                started = time.perf_counter()
                drawings.denoise(model, conditions, drawing, observe=record)
                trajectory.seconds["dit"] = time.perf_counter() - started
        model.close()
        with model.session("vae_decoder"):
            for trajectory in found.values():
                started = time.perf_counter()
                image = drawings.decode(model, trajectory.latents[-1])
                trajectory.seconds["vae_decoder"] = time.perf_counter() - started
                trajectory.image = image.copy()
                count()
    return found


def _recorder(trajectory: Trajectory, count: Callable[[Event], None]) -> Callable[[Event], None]:
    def record(event: Event) -> None:
        arrays: Mapping[str, Any] = event.arrays
        if event.stage == "solver":  # copied: whoever computed them may use the memory again
            trajectory.velocities.append(arrays["velocity"].copy())
            trajectory.latents.append(arrays["latent"].copy())
            count(event)
        elif event.stage == "dit" and event.branch == "conditional":
            trajectory.timesteps.append(float(arrays["timestep"][0]))

    return record


def artifact_model(
    bundle: Path,
    tokenizer: Path,
    kind: str,
    compute_units: str | None,
    wrap: Wrap,
) -> Model:
    """The bundle as the pipelines take it; it needs no language model here.

    ``tokenizer`` is the folder of a checkpoint.
    """
    from mobileo_export.bundle import manifest

    content = manifest.read(bundle)

    def load(name: str) -> Session:
        artifact = content["components"][name]["artifacts"][0]
        units = compute_units or artifact["compute_units"]
        return wrap(name, select.load_artifact(bundle / artifact["path"], kind, units))

    signatures = {
        name: tuple(map(manifest.tensor_spec, entry["inputs"]))
        for name, entry in content["components"].items()
    }
    recipe = recipes.from_manifest(content["recipe"])
    return Model(
        str(bundle), recipe, Tokenizer(tokenizer), signatures, NumpySolver, load, keep=True
    )
