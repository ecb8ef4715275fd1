"""The sample that the command takes of the miniature, and what is found of it, each made once."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from mobileo_export import assets
from mobileo_export.components import COMPONENTS
from mobileo_export.pipelines.model import open_model
from mobileo_export.sensitivity import importance, prompts
from mobileo_export.sensitivity.judged import JudgedComponent
from mobileo_export.sensitivity.run import SAMPLES
from mobileo_export.sensitivity.sample import SampledCalls, record

from ..conftest import Once

# The importance of a component's weights, by its name.
Weigh = Callable[[JudgedComponent], importance.Importance]


@pytest.fixture(scope="session")
def sample(once: Once) -> SampledCalls:
    def make(folder: Path) -> None:
        with open_model(str(assets.miniature()), keep=True) as model:
            recorded = record(model, prompts.CAPTIONS[:SAMPLES])
        folder.mkdir()
        (folder / "pickle").write_bytes(pickle.dumps(recorded))

    return pickle.loads((once("sample", make) / "pickle").read_bytes())


@pytest.fixture(scope="session")
def weigh(sample: SampledCalls, once: Once) -> Weigh:
    """Of a component whose own weights are in place; shared, not to be written to."""

    def weighed(judged: JudgedComponent) -> importance.Importance:
        def make(folder: Path) -> None:
            folder.mkdir()
            importance.measure(judged, sample.calls[judged.spec.name], folder / "weights")

        folder = once(f"importance-{judged.spec.name}", make)
        return importance.Importance(folder / "weights", judged, "r+")

    return weighed


@pytest.fixture
def judge(tmp_path: Path) -> Callable[[str], JudgedComponent]:
    return lambda name: JudgedComponent(assets.miniature(), COMPONENTS[name], "released", tmp_path)
