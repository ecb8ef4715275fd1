"""What the Swift package's previews are compared with is what this release shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mobileo_export.pipelines import noise
from mobileo_export.serve.previews import ColorFit

VECTORS = (
    Path(__file__).parents[2] / "ios_app" / "Tests" / "MobileOAppTests" / "Bundle" / "previews.json"
)
SHAPE = (1, 4, 5, 3)


def document() -> dict[str, Any]:
    """A map, and pixels of one latent: with the map alone, and after a picture was learnt."""
    values = noise.normal(3, (15,)).astype(np.float64)
    preview = {
        "matrix": np.round(values[:12].reshape(3, 4) / 4, 5).tolist(),
        "offset": np.round(values[12:] / 8, 5).tolist(),
        "explained": 0.5,
    }
    fit = ColorFit(preview)
    latent, other = noise.normal(1, SHAPE), noise.normal(2, SHAPE)
    before = fit.estimate(latent)
    fit.learn(other, np.tanh(noise.normal(4, (1, 3, 10, 9))))
    after = fit.estimate(latent)
    assert before is not None
    assert after is not None
    return {
        "shape": list(SHAPE),
        "preview": preview,
        "image": np.tanh(noise.normal(4, (1, 3, 10, 9))).ravel().tolist(),
        "before": before.ravel().tolist(),
        "after": after.ravel().tolist(),
    }


def test_they_are_up_to_date() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == json.loads(json.dumps(document()))
