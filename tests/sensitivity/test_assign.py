"""Choices under a size: the best there is, or none."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mobileo_export.sensitivity.assign import assign, hull, least_bits
from mobileo_export.sensitivity.choices import Choice

PAIR = st.tuples(st.integers(1, 40), st.integers(0, 1000))  # bits, error
MADE = st.lists(PAIR, min_size=1, max_size=5, unique_by=lambda pair: pair[0])


def choices(pairs: list[tuple[int, int]]) -> list[Choice]:
    return [Choice(f"{bits}", bits, float(error)) for bits, error in pairs]


def test_a_hull_drops_what_others_beat() -> None:
    made = choices([(16, 0), (8, 4), (7, 40), (6, 5), (4, 100), (3, 90)])
    assert [choice.bits for choice in hull(made)] == [16, 6, 3]


@given(st.lists(MADE, min_size=1, max_size=4), st.integers(0, 160))
def test_an_assignment_fits_and_no_single_change_betters_it(
    pairs: list[list[tuple[int, int]]], most: int
) -> None:
    every = {("dit", str(index)): choices(made) for index, made in enumerate(pairs)}
    found = assign(every, most)
    if found is None:
        assert least_bits(every) > most
        return
    bits = sum(choice.bits for choice in found.values())
    assert bits <= most
    for name, made in every.items():
        for choice in made:
            if choice.error < found[name].error:
                assert bits - found[name].bits + choice.bits > most
    # At its own price of a bit nothing else is better: of equal size none has less error.
    best = min(
        sum(choice.error for choice in other)
        for other in itertools.product(*every.values())
        if sum(choice.bits for choice in other) <= most
    )
    largest = max(hulled[-1].error - hulled[0].error for hulled in map(hull, every.values()))
    assert sum(choice.error for choice in found.values()) <= best + largest


def test_the_order_of_names_changes_nothing() -> None:
    made = {("dit", name): choices([(16, 0), (8, 3), (4, 9)]) for name in "abcd"}
    found = assign(made, 44)
    assert found == assign(dict(reversed(made.items())), 44)
    assert found is not None
    assert [choice.bits for choice in found.values()].count(16) == 1
