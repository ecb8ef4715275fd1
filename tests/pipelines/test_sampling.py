"""The choice of tokens: what is drawn, how often, and what is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileo_export.errors import UsageError
from mobileo_export.pipelines import sampling
from mobileo_export.pipelines.noise import Uniform

LOGITS = np.log(np.array([[0.1, 0.4, 0.2, 0.3]], np.float32))


def never() -> float:
    raise AssertionError("no number may be drawn")


def test_greedy_takes_the_first_of_the_largest_and_draws_nothing() -> None:
    assert sampling.choose(LOGITS, 0, 1, never) == 1
    assert sampling.choose(np.zeros((1, 5), np.float32), 0, 1, never) == 0


def frequencies(temperature: float, top_p: float, count: int = 20_000) -> list[float]:
    uniform = Uniform(9)
    drawn = Counter(sampling.choose(LOGITS, temperature, top_p, uniform) for _ in range(count))
    return [drawn[token] / count for token in range(4)]


def test_frequencies_are_the_probabilities() -> None:
    assert frequencies(1, 1) == pytest.approx([0.1, 0.4, 0.2, 0.3], abs=0.015)


def test_temperature_sharpens() -> None:
    squared = np.array([0.1, 0.4, 0.2, 0.3]) ** 2
    assert frequencies(0.5, 1) == pytest.approx(list(squared / squared.sum()), abs=0.015)


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        (0.1, [0, 1, 0, 0]),
        (0.41, [0, 4 / 7, 0, 3 / 7]),
        (0.69, [0, 4 / 7, 0, 3 / 7]),
        (0.71, [0, 4 / 9, 2 / 9, 3 / 9]),
    ],
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p: float, expected: list[float]) -> None:
    assert frequencies(1, top_p) == pytest.approx(expected, abs=0.015)


@given(
    st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=30),
    st.floats(0.01, 5),
    st.floats(0.01, 1),
    st.floats(0, 1, exclude_max=True),
)
def test_any_choice_is_a_token_of_nonzero_probability(
    logits: list[float], temperature: float, top_p: float, number: float
) -> None:
    array = np.array([logits], np.float32)
    token = sampling.choose(array, temperature, top_p, lambda: number)
    assert 0 <= token < len(logits)
    scores = array[0].astype(np.float64)
    probabilities = np.exp((scores - scores.max()) / temperature)
    assert probabilities[token] > 0


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(UsageError, match="logits are not finite"):
        sampling.choose(np.array([[0, np.nan]], np.float32), 0, 1, never)


def test_numbers_that_mean_nothing_are_refused() -> None:
    for temperature in (-0.1, 11, float("nan")):
        with pytest.raises(UsageError, match="temperature"):
            sampling.check(temperature, 1)
    for top_p in (0, 1.1, float("nan")):
        with pytest.raises(UsageError, match="top-p"):
            sampling.check(1, top_p)
