"""Schemes and palettes: what they store, what it stands for, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from mobileo_export.compression.palettes import palettes
from mobileo_export.compression.schemes import Scheme, compress
from mobileo_export.errors import UsageError

RANDOM = np.random.default_rng(0)


def bfloat16(*shape: int) -> np.ndarray:
    values = (RANDOM.standard_normal(shape) * 0.03).astype(np.float32)
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


# Relative errors of the best quantizers of a normal distribution (Max 1960), and of a uniform one
# whose range the largest of some thousand values sets.
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("exact", 0, 0),
        ("half", 0, 0),
        ("int8", 0.006, 0.009),
        ("int8 zero-point", 0.005, 0.009),
        ("int4 block 32", 0.08, 0.11),
        ("int4 block 32 zero-point", 0.07, 0.1),
        ("palette8", 0.003, 0.0075),
        ("palette6 rows 16", 0.022, 0.027),
        ("palette4 rows 16", 0.094, 0.1),
        ("palette1", 0.59, 0.62),
    ],
)
def test_error_of_a_scheme(name: str, low: float, high: float) -> None:
    values = bfloat16(64, 1024)
    scheme = Scheme.parse(name)
    stored = compress(values, scheme)
    expanded = stored.expanded()
    assert str(scheme) == name
    assert expanded.dtype == np.float32
    assert expanded.shape == values.shape
    assert stored.bits == scheme.stored_bits(values.shape)
    error = np.linalg.norm((expanded - values).astype(np.float64)) / np.linalg.norm(values)
    assert low <= error <= high


def test_every_value_takes_the_nearest_level_of_its_block() -> None:
    values = bfloat16(8, 64, 3, 3)
    for name in ("int8", "int4 block 16", "int4 block 16 zero-point", "int8 zero-point"):
        stored = compress(values, Scheme.parse(name))
        assert stored.scale is not None
        step = np.repeat(stored.scale, values.shape[1] // stored.scale.shape[1], 1)
        assert (np.abs(stored.expanded() - values) <= 0.5001 * step).all()
    stored = compress(values, Scheme.parse("palette3 rows 4"))
    assert stored.table is not None
    tables = stored.table.reshape(2, 8)
    halves = (part.reshape(2, -1) for part in (values, stored.expanded()))
    for table, rows, found in zip(tables, *halves, strict=True):
        best = table[np.abs(rows[:, None] - table).argmin(1)]
        np.testing.assert_allclose(np.abs(found - rows), np.abs(best - rows), atol=1e-9)


def test_extremes_stay_finite() -> None:
    zeros = np.zeros((4, 64), np.float32)
    tiny = np.full((4, 64), 1e-44, np.float32)
    huge = np.full((4, 64), 3e38, np.float32)
    huge[0, 0] = -3e38
    with np.errstate(all="raise", under="ignore"):
        for name in ("int8", "int4 block 32", "int8 zero-point", "palette4", "palette2 rows 2"):
            for values in (zeros, tiny, huge):
                stored = compress(values, Scheme.parse(name)).expanded()
                assert np.isfinite(stored).all()
                assert np.abs(stored - values).max() <= 0.01 * np.abs(values).max() + 1e-43


def test_importance_moves_the_table_to_what_matters() -> None:
    values = bfloat16(1, 4096)
    importance = np.where(values > 0, np.float32(100), np.float32(1))
    plain, weighed = (compress(values, Scheme.parse("palette2"), i) for i in (None, importance))
    error = [(importance * (s.expanded() - values) ** 2).sum() for s in (plain, weighed)]
    assert error[1] < 0.8 * error[0]


def test_palettes_are_the_same_twice_and_exact_for_few_values() -> None:
    values = np.array([[3, 1, 1, 2, 3, 3]], np.float32)
    tables, indices = palettes(values, 2)
    assert np.array_equal(tables, [[1, 2, 3, 3]])
    assert np.array_equal(tables[0][indices], values)
    again = palettes(bfloat16(2, 512), 4)
    assert again[0].shape == (2, 16)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("int9", "bits of int are 8, 4"),
        ("int", "bits of int are 8, 4"),
        ("palette5", "bits of palette are 8, 6, 4, 3, 2, 1"),
        ("half8", "bits of half are none"),
        ("int8 rows 4", "int takes no rows"),
        ("palette4 block 32", "palette takes no block"),
        ("palette4 zero-point", "palette takes no zero-point"),
        ("int4 block 0", "a group of 0 divides nothing"),
        ("q4_k", "is none; there are exact, half"),
    ],
)
def test_schemes_that_are_refused(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Scheme.parse(name)


def test_a_group_that_does_not_divide() -> None:
    with pytest.raises(UsageError, match="100 inputs are no multiple of 32"):
        compress(bfloat16(4, 100), Scheme.parse("int4 block 32"))
    with pytest.raises(UsageError, match="4 outputs are no multiple of 16"):
        compress(bfloat16(4, 100), Scheme.parse("palette4 rows 16"))


def test_a_scheme_that_gains_nothing() -> None:
    reason = Scheme.parse("palette8 rows 16").misfit((16, 16))
    assert reason == "with scales or tables it takes 40.0 bits a weight"
    assert Scheme.parse("int8").misfit((16, 1, 2, 2)) == reason.replace("40.0", "16.0")
    assert Scheme.parse("int8").misfit((16, 1, 3, 3)) is None
