from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mobileo_export.components import Layout
from mobileo_export.parity.metrics import FAMILIES, TIE, compare, slices

LAYOUTS: tuple[Layout, ...] = ("sequence", "image", "logits")
SHAPES = {"sequence": (1, 5, 6), "image": (1, 3, 8, 8), "logits": (1, 12)}
floats = st.floats(-1e3, 1e3, width=32)


def tensors(layout: Layout) -> st.SearchStrategy[np.ndarray]:
    return arrays.arrays(np.float32, SHAPES[layout], elements=floats)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(data=st.data())
def test_an_array_is_itself(layout: Layout, data: st.DataObject) -> None:
    array = data.draw(tensors(layout))
    found = compare(array, array.copy(), layout)
    assert (found.finite_share, found.relative_l2, found.max_absolute) == (1, 0, 0)
    assert found.psnr == found.snr == math.inf
    assert found.worst_slice == (None if layout == "logits" else 0)
    assert found.cosine == pytest.approx(1)
    assert (found.kl, found.top1) == ((0, 1) if layout == "logits" else (None, None))


@pytest.mark.parametrize("layout", ["sequence", "image"])
@given(data=st.data(), power=st.integers(-20, 20))
def test_only_relative_figures_ignore_a_common_scale(
    layout: Layout, data: st.DataObject, power: int
) -> None:
    a, b = data.draw(tensors(layout)).astype(float), data.draw(tensors(layout)).astype(float)
    one, other = compare(a, b, layout), compare(a * 2.0**power, b * 2.0**power, layout)
    assert other.relative_l2 == pytest.approx(one.relative_l2)
    assert other.psnr == pytest.approx(one.psnr)
    assert other.cosine == pytest.approx(one.cosine, abs=1e-9)
    assert [w.error for w in other.worst] == pytest.approx([w.error for w in one.worst])
    assert other.max_absolute == pytest.approx(one.max_absolute * 2.0**power)


@given(a=tensors("sequence"), b=tensors("sequence"), seed=st.integers(0, 100))
def test_the_order_of_tokens_does_not_matter(a: np.ndarray, b: np.ndarray, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(a.shape[1])
    one, other = compare(a, b, "sequence"), compare(a[:, order], b[:, order], "sequence")
    assert other.relative_l2 == pytest.approx(one.relative_l2)
    assert other.worst_slice == pytest.approx(one.worst_slice)


@given(a=tensors("image"), b=tensors("image"))
def test_figures_are_what_their_formulas_say(a: np.ndarray, b: np.ndarray) -> None:
    x, y = a.astype(np.float64), b.astype(np.float64)
    found = compare(a, b, "image")
    assert found.max_absolute == pytest.approx(np.abs(x - y).max())
    assert found.mean_absolute == pytest.approx(np.abs(x - y).mean())
    if x.any():
        assert found.relative_l2 == pytest.approx(np.linalg.norm(x - y) / np.linalg.norm(x))
    if x.any() and (x != y).any():
        noise = np.mean((x - y) ** 2)
        assert found.psnr == pytest.approx(10 * math.log10(np.abs(x).max() ** 2 / noise))
        assert found.snr == pytest.approx(10 * math.log10(np.mean(x**2) / noise))


def test_psnr_counts_elements_not_the_first_axis() -> None:
    reference = np.ones((1, 4, 100, 100), np.float32)
    assert compare(reference, reference + np.float32(0.5), "image").psnr == pytest.approx(6.0206)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, bool, np.complex64, object])
def test_anything_but_real_numbers_is_refused(dtype: type) -> None:
    other: Any = np.ones((4, 4), dtype)
    for left, right in ((other, other), (normal(4, 4), other), (other, normal(4, 4))):
        with pytest.raises(TypeError, match="compare float16, float32 or float64"):
            compare(left, right, "sequence")


def test_half_precision_is_widened_before_it_is_squared() -> None:
    reference = np.full((4, 4), 60000, np.float16)
    found = compare(reference, (reference / 2).astype(np.float16), "sequence")
    assert found.relative_l2 == pytest.approx(0.5)
    assert found.max_absolute == 30000


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_the_ends_of_float64_neither_overflow_nor_vanish(scale: float) -> None:
    reference = normal(4, 8).astype(np.float64) * scale
    found = compare(reference, reference * 1.5, "sequence")
    assert found.relative_l2 == pytest.approx(0.5)
    assert found.worst_slice == pytest.approx(0.5)


def test_a_value_too_large_to_square_is_an_infinite_error() -> None:
    found = np.full((2, 2), 1e-300)
    assert compare(found, np.full((2, 2), 1e300), "sequence").relative_l2 == math.inf


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_value_that_is_not_finite_ruins_everything(
    layout: Layout, side: int, value: float
) -> None:
    pair = [np.ones(SHAPES[layout], np.float32) for _ in range(2)]
    pair[side].reshape(-1)[-1] = value
    found = compare(pair[0], pair[1], layout)
    assert found.finite_share == 1 - 1 / pair[0].size
    assert found.relative_l2 == found.max_absolute == math.inf
    assert found.psnr == -math.inf
    for worst in found.worst:
        last = slices(pair[0], layout, worst.family).shape
        assert worst.error == math.inf
        assert worst.index == tuple(size - 1 for size in last)


def test_equal_infinities_do_not_pass() -> None:
    same = np.full((3, 3), np.inf, np.float32)
    assert compare(same, same, "sequence").relative_l2 == math.inf


def test_a_zero_reference() -> None:
    zero, one = np.zeros((3, 4), np.float32), np.ones((3, 4), np.float32)
    same, other = compare(zero, zero, "sequence"), compare(zero, one, "sequence")
    assert (same.relative_l2, same.worst_slice, same.cosine, same.psnr) == (0, 0, 1, math.inf)
    assert (other.relative_l2, other.worst_slice, other.cosine) == (math.inf, math.inf, 0)
    assert other.psnr == -math.inf


def test_a_zero_slice_is_measured_against_the_others() -> None:
    reference = np.ones((4, 4), np.float32)
    reference[2] = 0
    found = reference.copy()
    found[2, 1] = 1e-6
    worst = compare(reference, found, "sequence").worst[0]
    assert (worst.family, worst.index) == ("token", (2,))
    assert worst.error == pytest.approx(1e-6 / (1e-3 * math.sqrt(3)))  # rms norm: 2·sqrt(3/4)
    lenient = compare(reference, found, "sequence", slice_floor=0.1).worst
    token = next(item for item in lenient if item.family == "token")
    assert token.error == pytest.approx(1e-6 / (0.1 * math.sqrt(3)))


def test_scale_that_cosine_cannot_see_is_seen() -> None:
    reference = normal(1, 64, 32)
    found = reference.copy()
    found[0, 17] *= 1.5
    worst = compare(reference, found, "sequence").worst[0]
    assert (worst.family, worst.index) == ("token", (17,))
    assert worst.error == pytest.approx(0.5, rel=1e-6)
    assert worst.cosine == pytest.approx(1)


@pytest.mark.parametrize(
    ("shape", "position", "layout", "expected"),
    [
        ((1, 9, 7), (0, 4, 3), "sequence", {"token": (4,), "channel": (3,)}),
        ((1, 2, 9, 7), (0, 1, 4, 3), "sequence", {"token": (1, 4), "channel": (1, 3)}),
        ((1, 3, 64, 64), (0, 2, 63, 17), "image", {"channel": (2,), "patch": (15, 4)}),
        ((1, 3, 18, 10), (0, 2, 17, 9), "image", {"channel": (2,), "patch": (4, 2)}),
        ((2, 3, 512, 512), (1, 0, 40, 500), "image", {"channel": (1, 0), "patch": (1, 1, 15)}),
    ],
)
def test_the_worst_slice_is_where_the_damage_is(
    shape: tuple[int, ...],
    position: tuple[int, ...],
    layout: Layout,
    expected: dict[str, tuple[int, ...]],
) -> None:
    reference = normal(*shape)
    found = reference.copy()
    found[position] += 5
    worst = {item.family: item.index for item in compare(reference, found, layout).worst}
    assert worst == expected


@given(a=tensors("image"))
def test_slices_hold_every_value_once(a: np.ndarray) -> None:
    for family in FAMILIES["image"]:
        cut = slices(a, "image", family)
        assert cut.values.shape[0] == math.prod(cut.shape)
        assert sorted(cut.values.ravel()) == sorted(a.ravel())


def test_logits() -> None:
    reference = np.log(np.array([[0.5, 0.25, 0.25]]))
    found = np.log(np.array([[0.25, 0.5, 0.25]])) + 7  # a common offset changes no probability
    measured = compare(reference, found, "logits")
    assert measured.kl == pytest.approx(0.25 * math.log(2))
    assert measured.top1 == 0
    assert compare(reference, reference + 7, "logits").kl == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("scale", [0, 3, -1000, 900])
def test_top_1_counts_what_the_reference_holds_as_good_as_its_own(scale: int) -> None:
    """Within 0.9 of the largest probability, at any size of the scores that says so."""
    behind = -math.log(TIE)
    rows = np.array([[5.0, 5 - share * behind, 0] for share in (0.5, 0.99, 1.01, 3)])
    rows = np.ldexp(rows, scale)
    tied = {0: 0.5, 3: 0.0, -1000: 1.0, 900: 0.0}[scale]
    assert compare(rows, rows[:, [1, 0, 2]], "logits").top1 == tied
    assert compare(rows, rows, "logits").top1 == 1


@pytest.mark.parametrize(
    ("a", "b"), [((2, 3), (3, 2)), ((6,), (2, 3)), ((1, 2, 3), (2, 3)), ((0, 3), (0, 3))]
)
def test_shapes_must_be_equal_and_hold_something(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape|no values"):
        compare(np.ones(a, np.float32), np.ones(b, np.float32), "sequence")


def test_a_layout_needs_its_axes() -> None:
    with pytest.raises(ValueError, match="is no image"):
        compare(normal(4, 4), normal(4, 4), "image")
