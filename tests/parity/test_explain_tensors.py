"""Every kind of damage to a stored tensor is recognised, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mobileo_export.parity.explain.tensors import difference

RANDOM = np.random.default_rng(3)
SQUARE = RANDOM.standard_normal((12, 12), dtype=np.float32)


def flip(values: np.ndarray) -> np.ndarray:
    values.view(np.uint32)[2, 3] ^= 1 << 31
    return values


def bfloat16(values: np.ndarray) -> np.ndarray:
    bits = values.view(np.uint32)
    bits[...] = (bits + 0x8000) & 0xFFFF0000
    return values


@pytest.mark.parametrize(
    ("change", "kind", "detail"),
    [
        (flip, "bit flipped", "bit 31 (the sign) of element [2, 3]"),
        (lambda v: v.T, "transposed", "axes 0 and 1"),
        (lambda v: np.roll(v, -1, 1), "other values", "within [0…11, 0…11]"),
        (lambda v: v[[0, 1, 7, 3, 4, 5, 6, 2, 8, 9, 10, 11]], "other values", "[2…7, 0…11]"),
        (lambda v: v[:, [1, 0, *range(2, 12)]], "other values", "[0…11, 0…1]"),
        (lambda v: np.roll(v, 4, 0), "blocks permuted", "2, 0, 1"),
        # Of a modulation's six blocks: in no fewer would it be an order.
        (
            lambda v: v.reshape(6, 2, 12)[[4, 0, 3, 5, 1, 2]].reshape(12, 12),
            "blocks permuted",
            "its 6 blocks of 2 rows lie in the order 4, 0, 3, 5, 1, 2",
        ),
        (lambda v: v * 0, "zeroed", "144"),
        (lambda v: v * (np.arange(12) > 2), "other values", "0…11, 0…2"),
        (lambda v: v * np.float32(-0.5), "scaled", "-0.5"),
        (lambda v: v * np.where(np.arange(12) == 4, 2, 1), "other values", "[0…11, 4]"),
        (lambda v: v.astype(np.float16), "rounded to float16", "float16"),
        (bfloat16, "rounded to bfloat16", "bfloat16"),
        (lambda v: np.where(v > 2, np.inf, v), "not finite", "NaN or infinite"),
        (np.tanh, "other values", "144 of 144"),
    ],
)
def test_damage(change: Callable[[np.ndarray], np.ndarray], kind: str, detail: str) -> None:
    found = difference(np.ascontiguousarray(change(SQUARE.copy()), np.float32), SQUARE)
    assert found is not None
    assert (found.kind, detail in found.detail) == (kind, True)


def test_no_damage() -> None:
    assert difference(SQUARE, SQUARE) is None
    assert difference(SQUARE.astype(np.float16), SQUARE) is None
    assert difference(SQUARE.reshape(1, 12, 12), SQUARE) is None
    assert difference(SQUARE * np.float32(1 + 1e-7), SQUARE) is None
    assert difference(np.zeros(4, np.float32), np.zeros(4, np.float32)) is None


def test_one_value_is_enough() -> None:
    changed = SQUARE.copy()
    changed[0, 0] = np.nextafter(changed[0, 0], np.float32(9))
    found = difference(changed, SQUARE)
    assert found is not None
    assert found.kind in {"bit flipped", "other values"}


def test_a_tensor_taken_for_another() -> None:
    other = RANDOM.standard_normal((12, 12), dtype=np.float32)
    found = difference(other, SQUARE, {"to_k.weight": other})
    assert found is not None
    assert (found.kind, "to_k.weight" in found.detail) == ("another tensor", True)
