"""The sample that the command takes of the miniature, recorded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mobileo_export import assets
from mobileo_export.components import COMPONENTS
from mobileo_export.pipelines.model import open_model
from mobileo_export.sensitivity import prompts
from mobileo_export.sensitivity.judged import JudgedComponent
from mobileo_export.sensitivity.run import SAMPLES
from mobileo_export.sensitivity.sample import SampledCalls, record


@pytest.fixture(scope="session")
def sample() -> SampledCalls:
    with open_model(str(assets.miniature()), keep=True) as model:
        return record(model, prompts.CAPTIONS[:SAMPLES])


@pytest.fixture
def judge(tmp_path: Path) -> Callable[[str], JudgedComponent]:
    return lambda name: JudgedComponent(assets.miniature(), COMPONENTS[name], "released", tmp_path)
