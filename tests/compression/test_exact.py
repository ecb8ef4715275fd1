"""Values in half the bytes: equal to the bit, or not at all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileo_export.compression.exact import PIECE, halved, nearest
from mobileo_export.converters.coreml.places import over

if TYPE_CHECKING:
    from numpy.typing import NDArray


def bfloat16(values: NDArray[Any]) -> NDArray[np.float32]:
    """Float32 values, cut to what a bfloat16 holds."""
    words = np.asarray(values, np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return words.view(np.float32)


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays have the same bits: −0 is not 0."""
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


def test_what_a_released_tensor_holds_is_halved_to_the_bit() -> None:
    values = bfloat16(np.random.default_rng(0).normal(0, 0.02, (300, 500)))
    assert not same(values.astype(np.float16).astype(np.float32), values)
    found = halved(values)
    assert found is not None
    assert found.data.dtype == np.float16
    assert same(found.data * found.scale, values)
    assert np.log2(found.scale) == round(np.log2(found.scale))


def test_what_float16_holds_is_taken_as_it_is() -> None:
    found = halved(np.array([1.0, -2.5, 6.1e-5], np.float16).astype(np.float32))
    assert found is not None
    assert found.scale == 1


@pytest.mark.parametrize(
    "values",
    [
        [0.1],  # more significant bits than a float16 has
        [1.0, 2.0**-41],  # a wider range than any one power of two reaches
        [np.nan],
        [1.0, 1.0 + 2.0**-23],
    ],
)
def test_what_would_change_is_left_alone(values: list[float]) -> None:
    assert halved(np.array(values, np.float32)) is None


def test_the_first_values_do_not_decide_for_all() -> None:
    values = np.zeros(1 << 15, np.float32)
    values[-1] = 0.1
    assert halved(values) is None


def test_the_edges_of_the_range() -> None:
    for values in ([0.0, -0.0], [3.0e38, -1.0], [2.0**-149], [65504.0], [2.0**-126, 2.0**-130]):
        array = bfloat16(np.array(values, np.float32)) if values != [2.0**-149] else values
        given_ = np.asarray(array, np.float32)
        found = halved(given_)
        if found is not None:
            assert same(found.data * found.scale, given_)
    assert halved(np.zeros((0, 4), np.float32)) is not None


def by_hand(values: NDArray[np.float32]) -> tuple[NDArray[np.float16], float] | None:
    """As they are if that is exact, else with the widest power of two; tried value by value."""
    largest = float(np.abs(values).max())
    if not np.isfinite(largest):
        return None
    best = 15 - (math.frexp(largest)[1] - 1) if largest else 0
    for shift in (0, max(-126, min(best, 126))):
        with np.errstate(over="ignore"):
            made = (values * np.float32(2.0**shift)).astype(np.float16)
        if same(made.astype(np.float32) * np.float32(2.0**-shift), values):
            return made, 2.0**-shift
    return None


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("bits", [0xFFFF0000, 0xFFFFE000])
def test_of_pieces_none_and_all_are_what_each_value_says(bits: int, in_place: bool) -> None:
    random = np.random.default_rng(0)
    found = 0
    for _ in range(60):
        values = random.standard_normal(2 * PIECE + 7, np.float32)
        values *= np.float32(2.0 ** random.integers(-100, 10))
        values = (values.view(np.uint32) & np.uint32(bits)).view(np.float32)
        for _ in range(random.integers(0, 3)):  # few that are small, somewhere, or all but zeros
            place = random.integers(len(values))
            values[place] *= np.float32(2.0 ** -random.integers(0, 45))
        if random.random() < 0.3:
            values[random.integers(len(values))] = random.choice([0.0, -0.0])
        right, before = by_hand(values), values.copy()
        made = halved(values, over(values) if in_place else np.empty)
        if right is None or made is None:
            assert (right, made) == (None, None)
            assert same(values, before)
        else:
            found += 1
            assert same(made.data, right[0])
            assert made.scale == right[1]
            assert in_place == np.shares_memory(made.data, values)
    assert 20 < found < 60


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=40))
def test_any_bfloat16_is_equal_or_refused(words: list[int]) -> None:
    values = (np.array(words, np.uint32) << 16).view(np.float32)
    with np.errstate(invalid="ignore"):
        found = halved(values)
    if found is not None:
        assert same(found.data * found.scale, values)


@pytest.mark.parametrize("largest", [65504.0, 65519.0, 65520.0, 65535.9])
def test_the_nearest_of_the_largest_is_never_infinite(largest: float) -> None:
    """As of a matrix that was drawn evenly from -2⁻⁴ to 2⁻⁴, whose largest is just below."""
    values = np.array([largest, -1.0, largest / 3], np.float32) * np.float32(2.0**-20)
    found = nearest(values)
    left = found.data.astype(np.float32) * found.scale
    np.testing.assert_allclose(left, values, rtol=2.0**-11)


def test_nearest_rounds_by_half_a_step_of_float16_at_most() -> None:
    values = np.random.default_rng(1).normal(0, 3, 5000).astype(np.float32) * np.float32(1e6)
    found = nearest(values)
    assert np.isfinite(found.data).all()
    apart = np.abs(found.data.astype(np.float64) * float(found.scale) - values)
    assert (apart <= np.abs(values) * 2.0**-11 + np.abs(values).max() * 2.0**-40).all()
