"""What a broadcast makes is known before it is made, and refused where it is too large."""

from __future__ import annotations

import pytest

from mobileo_export.artifacts.mlpackage.limits import (
    LimitError,
    Limits,
    enforcing,
    guard_broadcast,
)

BYTES = 4 * 100  # of a hundred floats


@pytest.mark.parametrize(
    "shapes", [[(10, 10), (10, 10)], [(100, 1), (1,), (100, 1)], [(10, 1), (1, 10)], [(0,), (1,)]]
)
def test_what_fits_is_let_pass(shapes: list[tuple[int, ...]]) -> None:
    with enforcing(Limits(value_bytes=BYTES)):
        guard_broadcast(*shapes)


@pytest.mark.parametrize(
    "shapes", [[(101, 1), (1,)], [(11, 1), (1, 10)], [(10,), (11, 1)], [(5, 1, 1), (5, 1), (5,)]]
)
def test_what_does_not_is_refused(shapes: list[tuple[int, ...]]) -> None:
    with enforcing(Limits(value_bytes=BYTES)), pytest.raises(LimitError, match="bytes"):
        guard_broadcast(*shapes)
