"""Rounding: once, to nearest even, against all bfloat16 neighbours and against torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileo_export.merging.arithmetic import rounded

from .adapters import bfloat16


@given(st.floats(-3e38, 3e38), st.integers(-4, 4))
def test_float64_is_rounded_once(value: float, steps: int) -> None:
    for _ in range(abs(steps)):
        value = math.nextafter(value, math.copysign(3e38, steps))
    values = np.array([value])
    assert np.array_equal(rounded(values, "BF16"), bfloat16(values))


@pytest.mark.parametrize("sign", [1, -1])
def test_what_float32_takes_for_a_tie_is_none(sign: int) -> None:
    tie = 1 + 2.0**-8  # between 1 and 1 + 2^-7; even is 1
    values = sign * np.array([tie, tie + 2.0**-40, tie - 2.0**-40, tie + 2.0**-7 - 2.0**-40])
    top = 0x8000 * (sign < 0)
    wanted = [top + 0x3F80, top + 0x3F81, top + 0x3F80, top + 0x3F81]
    assert rounded(values, "BF16").tolist() == wanted


def test_values_of_bfloat16_stay() -> None:
    bits = np.arange(0x7F80, dtype=np.uint32)
    values = (bits << 16).view(np.float32).astype(np.float64)
    assert np.array_equal(rounded(values, "BF16"), bits)
    assert np.array_equal(rounded(-values[1:], "BF16"), bits[1:] | 0x8000)


def test_too_large_becomes_infinite() -> None:
    for dtype, value in (("BF16", 3.4e38), ("BF16", 1e300), ("F32", 1e39), ("F16", 65520.0)):
        raw = rounded(np.array([value]), dtype)
        infinite = raw.tolist() == [0x7F80] if dtype == "BF16" else bool(np.isinf(raw[0]))
        assert infinite, (dtype, value)
