"""A whole picture on MLX with everything resident: its own counter's peak, stage by stage.

Every stage is the pipelines' own code over one bundle's sessions, none of which is closed: the
language model's reading of the prompt, the projector with both branches of guidance, one step of
the DiT with both rows in a call, the decoder; of an edit the vision encoder before them. What a
stage made lies in a folder, so that a picture that ended early goes on there.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.components import COMPONENTS
from mobileo_export.pipelines import drawing as drawings
from mobileo_export.pipelines import generate as pictures
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import Model, open_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Arrays = dict[Any, Any]

CAPTION = "three red circles and a small blue square on a white background, seen from above"
INSTRUCTION = "make the background black and take the blue square away"
_SIDE = 640  # pixels of the photograph that is edited


@dataclass
class _Stages:
    """Measures a stage that was not done yet, and keeps what it made."""

    folder: Path
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        import mlx.core as mx

        arrays, figures = self.folder / f"{name}.npz", self.folder / f"{name}.json"
        if not figures.exists():
            mx.reset_peak_memory()
            started = time.monotonic()
            made = compute()
            seconds = round(time.monotonic() - started, 1)
            found = {"peak_bytes": mx.get_peak_memory(), "seconds": seconds}
            found["finite"] = all(bool(np.isfinite(values).all()) for values in made.values())
            np.savez(arrays, **{str(key): values for key, values in made.items()})
            figures.write_text(json.dumps(found), encoding="utf-8")
            print(name, found, file=sys.stderr, flush=True)
        self.measured[name] = json.loads(figures.read_text(encoding="utf-8"))
        with np.load(arrays) as kept:
            return dict(kept)


def measure(task: str, bundle: Path, folder: Path) -> dict[str, Any]:
    """Bytes of all weights, and at the peak of each stage of ``generate`` or ``edit``."""
    import mlx.core as mx

    folder.mkdir(parents=True, exist_ok=True)
    stage = _Stages(folder)
    with open_model(str(bundle), "mlx", keep=True) as model:
        for name in COMPONENTS:
            with model.session(name):  # which is kept
                pass
        resident = mx.get_active_memory()
        tokens = _picture(model, task, stage)
    return {
        "resident_bytes": resident,
        "peak_bytes": max(found["peak_bytes"] for found in stage.measured.values()),
        "tokens": tokens,
        "stages": stage.measured,
    }


def _picture(model: Model, task: str, stage: _Stages) -> int:
    """Draw or edit with one guided step; how many tokens condition it."""
    drawing = Drawing.of(model.recipe, steps=1)
    room, image = model.longest_conditioning, model.recipe.preprocessing.num_tokens
    if task == "edit":
        prompt = model.prompter.edit(INSTRUCTION, room, image)
        photo = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
        inputs = stage("vision_encoder", lambda: {"image_features": pictures.see(model, photo)})
    else:
        prompt, inputs = model.prompter.generate(CAPTION, room), {}
    with model.language_model() as llm:
        read = stage("llm", lambda: llm.run({**inputs, "input_ids": prompt.input_ids}))
    states = read["stacked_hidden_states"]
    conditioning = stage("mcp", lambda: {**drawings.condition(model, states, guided=True)})
    latent = stage("dit", lambda: {"latent": drawings.denoise(model, conditioning, drawing)})
    stage("vae_decoder", lambda: {"image": drawings.decode(model, latent["latent"])})
    return int(states.shape[2])
