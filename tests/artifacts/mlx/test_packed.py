"""The NumPy quantization equals MLX's own, bit for bit, on values that break shortcuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mobileo_export.artifacts.mlx.packed import (
    GROUP_SIZES,
    QUANTIZED_BITS,
    Quantized,
    dequantize,
    quantize,
)

mx = pytest.importorskip("mlx.core")

every_setting = pytest.mark.parametrize(
    ("bits", "group_size"), [(b, g) for b in QUANTIZED_BITS for g in GROUP_SIZES]
)


def by_mlx(values: np.ndarray, bits: int, group_size: int) -> Quantized:
    return Quantized(*map(np.array, mx.quantize(mx.array(values), group_size, bits)))


def assert_same(values: np.ndarray, bits: int, group_size: int) -> None:
    ours = quantize(values.astype(np.float32), bits, group_size)
    theirs = by_mlx(values, bits, group_size)
    for name in Quantized._fields:
        mine: np.ndarray = getattr(ours, name)
        reference: np.ndarray = getattr(theirs, name)
        assert mine.dtype == reference.dtype
        assert mine.shape == reference.shape
        assert mine.tobytes() == reference.tobytes(), name


def half(values: object) -> np.ndarray:
    return np.array(values, np.float16)


@every_setting
def test_equals_mlx_on_every_kind_of_group(bits: int, group_size: int) -> None:
    random = np.random.default_rng(7)
    normal = random.standard_normal(group_size)
    steps = np.arange(group_size)
    rows = {
        "zeros": np.zeros(group_size),
        "negative zeros": np.full(group_size, -0.0),
        "all equal": np.full(group_size, 0.3),
        "all equal, negative": np.full(group_size, -7.0),
        "all equal, huge": np.full(group_size, 65504.0),
        "positive only": np.abs(normal) + 1,
        "negative only": -np.abs(normal) - 1,
        "one negative": np.where(steps == 5, -1e-3, np.abs(normal)),
        "symmetric ends": np.where(steps % 2, 1.0, -1.0),
        "extremes": np.where(steps % 2, 65504.0, -65504.0),
        "one outlier": np.where(steps == 1, 60000.0, normal * 1e-3),
        "subnormal": normal * 2.0**-22,
        "smallest subnormal": np.where(steps % 3, 2.0**-24, -(2.0**-24)),
        "halves of a step": steps * 0.5 - 3,
        "ties": (steps % (2**bits)) + 0.5 * (steps % 2),
        "narrow range far from zero": 1000 + steps * 0.5,
    }
    assert_same(half(list(rows.values())), bits, group_size)


@every_setting
def test_equals_mlx_on_all_float16_bit_patterns(bits: int, group_size: int) -> None:
    patterns = np.random.default_rng(3).permutation(1 << 16).astype(np.uint16)
    values = patterns[(patterns & 0x7C00) != 0x7C00].view(np.float16)
    assert_same(values.reshape(-1, 1024), bits, group_size)


@every_setting
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_equals_mlx_on_adversarial_values(data: st.DataObject, bits: int, group_size: int) -> None:
    pattern = st.integers(0, 0xFFFF)
    patterns = data.draw(arrays(np.uint16, (1, group_size), elements=pattern, fill=pattern))
    largest_exponent = data.draw(st.integers(0, 30))  # 0: subnormal, 30: up to 65504
    exponents = (patterns >> 10 & 0x1F) % (largest_exponent + 1)
    assert_same((patterns & 0x83FF | exponents << 10).view(np.float16), bits, group_size)


@every_setting
def test_dequantizes_to_what_mlx_computes(bits: int, group_size: int) -> None:
    values = half(np.random.default_rng(0).standard_normal((8, 256)) * 0.02)
    matrix = quantize(values.astype(np.float32), bits, group_size)
    weight, scales, biases = map(mx.array, matrix)
    wide = [scales.astype(mx.float32), biases.astype(mx.float32)]
    theirs = np.array(mx.dequantize(weight, *wide, group_size, bits))
    ours = dequantize(matrix, bits, group_size)
    assert np.abs(ours - theirs).max() <= 1e-8  # fused multiply-add, one rounding less
    step = np.abs(matrix.scales.astype(np.float32)).repeat(group_size, axis=1)
    error = np.abs(ours - values) / step
    assert error.max() < 1.25  # rounding the zero point can cut the near end by one step
    assert error.mean() < 0.3


def test_rows_are_independent() -> None:
    values = np.random.default_rng(1).standard_normal((6, 128)).astype(np.float16)
    whole = quantize(values.astype(np.float32), 4, 32)
    for row in range(6):
        part = quantize(values[row : row + 1].astype(np.float32), 4, 32)
        for name in Quantized._fields:
            assert np.array_equal(getattr(whole, name)[row : row + 1], getattr(part, name))
