"""Rounding that hands errors on: less wrong on what a layer gets, and in a whole component."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mobileo_export.compression.schemes import Scheme, compress
from mobileo_export.sensitivity import rounding
from mobileo_export.sensitivity.calibrate import calibrated
from mobileo_export.sensitivity.judged import JudgedComponent

if TYPE_CHECKING:
    from mobileo_export.sensitivity.sample import SampledCalls


@pytest.mark.parametrize("scheme", ["palette4 rows 16", "palette3", "int4 block 32", "int4"])
@pytest.mark.parametrize("shape", [(64, 160), (32, 64, 3, 3)])
def test_a_layer_is_less_wrong_on_its_inputs(scheme: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    values = random.normal(0, 1, shape).astype(np.float32)
    inputs = int(np.prod(shape[1:]))
    rows = random.normal(0, 1, (2000, 20)) @ random.normal(0, 1, (20, inputs))
    rows = (rows + random.normal(0, 1, rows.shape)) * random.uniform(0.1, 2, inputs)
    rows[:, 5] = 0  # an input that never comes
    stated = Scheme.parse(scheme)
    made = rounding.rounded(values, stated, rows.T @ rows)
    wanted = rows @ values.reshape(len(values), -1).T

    def wrong(found: np.ndarray) -> float:
        return float(np.square(rows @ found.reshape(len(values), -1).T - wanted).sum())

    assert made.scheme == stated
    assert made.data.shape == values.shape
    assert wrong(made.expanded()) < 0.6 * wrong(compress(values, stated).expanded())


def test_without_correlations_it_rounds_to_nearest() -> None:
    values = np.random.default_rng(0).normal(0, 1, (16, 64)).astype(np.float32)
    scheme = Scheme.parse("int4 block 32")
    made = rounding.rounded(values, scheme, np.eye(64))
    np.testing.assert_array_equal(made.data, compress(values, scheme).data)


@pytest.mark.parametrize(
    ("scheme", "served"),
    [("palette4", True), ("int4", True), ("palette6", False), ("exact", False), ("int8", False)],
)
def test_what_it_serves(scheme: str, served: bool) -> None:
    assert rounding.serves(Scheme.parse(scheme)) == served


@pytest.mark.parametrize("component", ["dit", "vision_encoder"])
def test_a_component_is_less_wrong(
    component: str, judge: Callable[[str], JudgedComponent], sample: SampledCalls
) -> None:
    judged, calls = judge(component), sample.calls[component]
    schemes = dict.fromkeys(judged.parameters, Scheme.parse("palette4"))
    for name, scheme in schemes.items():
        judged.put(name, compress(judged.values(name), scheme).expanded())
    nearest = judged.error(calls)
    kept = calibrated(judged, calls, schemes)
    found = judged.error(calls)
    assert found < 0.6 * nearest
    assert len(kept) > len(schemes) / 2
    again = calibrated(judged, calls, schemes, kept.get)
    assert again == kept
    assert judged.error(calls) == found
