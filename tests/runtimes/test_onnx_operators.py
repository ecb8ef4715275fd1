"""Operators of the half-precision emulation at their edges."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")

LAST, FIRST = 2**63 - 1, -(2**63)


@pytest.mark.parametrize(
    ("start", "end", "step", "expected"),
    [
        (0, LAST, 1, [0, 1, 2, 3, 4]),
        (FIRST, LAST, 2, [0, 2, 4]),
        (-2, LAST, 1, [3, 4]),
        (1, -1, 1, [1, 2, 3]),
        (LAST, LAST, 1, []),
        (3, FIRST, 1, []),
    ],
)
def test_a_slice_ends_where_its_axis_does(
    start: int, end: int, step: int, expected: list[int]
) -> None:
    from mobileo_export.runtimes.onnx import operators

    given = [torch.arange(5), *(torch.tensor([number]) for number in (start, end, 0, step))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert operators._slice(given, {}).tolist() == expected
