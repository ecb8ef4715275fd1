"""Healthy, damaged and hostile bundles, judged as the Swift package judges them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

SWIFT = Path(__file__).resolve().parents[2] / "ios_app" / "Tests"
sys.path.insert(0, str(SWIFT / "Python"))

import corpus as corpora  # noqa: E402

CORPUS: dict[str, Any] = json.loads((SWIFT / "Corpus" / "seal.json").read_text(encoding="utf-8"))


def test_the_corpus_is_large_and_of_every_verdict() -> None:
    codes = [case["exit"] for case in CORPUS["cases"]]
    assert len(codes) >= 200
    assert all(codes.count(code) >= 5 for code in (0, 1, 2))


@pytest.mark.parametrize("case", CORPUS["cases"], ids=lambda case: str(case["name"])[:60])
def test_the_verdict_is_that_of_the_corpus(case: dict[str, Any], tmp_path: Path) -> None:
    bundle = corpora.build(tmp_path, CORPUS, case)
    assert corpora.judge(bundle) == (case["exit"], case["problems"])
