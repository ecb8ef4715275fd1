"""Shares, their intervals, and what is written of them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileo_export.evaluation.results import JudgedItem, Results, wilson


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # Newcombe 1998, table 1, method 3; R's prop.test without correction.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_published_values(right: int, count: int, low: float, high: float) -> None:
    assert wilson(right, count) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_holds_the_share(right: int, more: int) -> None:
    count = right + more
    low, high = wilson(right, count)
    assert 0 <= low <= high <= 1
    if count:
        assert low - 1e-12 <= right / count <= high + 1e-12
        mirrored = wilson(more, count)
        assert mirrored == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("right", "count"), [(2, 1), (-1, 3)])
def test_no_share(right: int, count: int) -> None:
    with pytest.raises(ValueError, match="of"):
        wilson(right, count)


def outcome(suite: str, category: str, *wrong: str) -> JudgedItem:
    return JudgedItem(suite, category, "text", "expected", "got", 0, wrong)


def test_scores_count_by_category_and_suite() -> None:
    results = Results(
        "here",
        7,
        (
            outcome("draw", "colors"),
            outcome("draw", "colors", "color"),
            outcome("draw", "counting"),
            outcome("ask", "count", "answer"),
        ),
    )
    found = [(s.suite, s.category, s.right, s.count) for s in results.scores()]
    assert found == [
        ("draw", "colors", 1, 2),
        ("draw", "counting", 1, 1),
        ("draw", "overall", 2, 3),
        ("ask", "count", 0, 1),
        ("ask", "overall", 0, 1),
    ]
    content = json.loads(json.dumps(results.to_json(), allow_nan=False))
    assert content["seed"] == 7
    assert content["scores"][0]["rate"] == 0.5
    assert [o["right"] for o in content["outcomes"]] == [True, False, True, False]
    assert math.isclose(content["scores"][3]["interval"][0], 0)
