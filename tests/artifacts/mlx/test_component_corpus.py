"""MLX folders of components, whole and damaged, judged as the Swift package judges them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

SWIFT = Path(__file__).resolve().parents[3] / "ios_app" / "Tests"
sys.path.insert(0, str(SWIFT / "Python"))

import component_folders as corpora  # noqa: E402

from mobileo_export.artifacts.mlx.component_folder import open_component  # noqa: E402
from mobileo_export.artifacts.mlx.models import MODELS  # noqa: E402

CORPUS: dict[str, Any] = json.loads(
    (SWIFT / "Corpus" / "components.json").read_text(encoding="utf-8")
)


def test_the_corpus_has_every_component_and_verdict() -> None:
    verdicts = [case["refused"] is None for case in CORPUS["cases"]]
    assert len(verdicts) >= 200
    assert verdicts.count(True) == len(MODELS) * len(corpora.OPTIONS)
    assert len(CORPUS["folders"]) == verdicts.count(True)


@pytest.mark.parametrize("name", CORPUS["folders"])
def test_the_parameters_are_those_of_the_corpus(name: str, tmp_path: Path) -> None:
    folder = CORPUS["folders"][name]
    found = open_component(corpora.build(tmp_path, CORPUS["manifest"], folder, {}))
    assert json.loads(json.dumps(corpora.parameters(found))) == folder["parameters"]


@pytest.mark.parametrize("case", CORPUS["cases"], ids=lambda case: str(case["name"])[:60])
def test_the_verdict_is_that_of_the_corpus(case: dict[str, Any], tmp_path: Path) -> None:
    corpora.check(tmp_path, CORPUS, case)
