"""What probes predict is what happens: of a matrix alone, and of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mobileo_export.compression.schemes import Scheme, compress
from mobileo_export.sensitivity import importance
from mobileo_export.sensitivity.choices import predicted
from mobileo_export.sensitivity.judged import JudgedComponent

from .conftest import Weigh

if TYPE_CHECKING:
    from mobileo_export.sensitivity.sample import SampledCalls

Judge = Callable[[str], JudgedComponent]


@pytest.mark.parametrize("component", ["vision_encoder", "mcp", "dit", "vae_decoder"])
def test_the_error_of_a_whole_component_is_predicted(
    component: str, judge: Judge, weigh: Weigh, sample: SampledCalls
) -> None:
    judged, calls = judge(component), sample.calls[component]
    assert judged.error(calls) < 1e-10
    weighed = weigh(judged)
    for scheme, most in (("int8", 0.15), ("palette6", 0.15), ("palette4", 0.2)):
        told = 0.0
        for name in judged.parameters:
            values = judged.values(name)
            stored = compress(values, Scheme.parse(scheme))
            told += predicted(values, stored, weighed, name)
            judged.put(name, stored.expanded())
        found = judged.error(calls)
        assert math.sqrt(told) == pytest.approx(math.sqrt(found), rel=most), scheme
    for name in judged.parameters:
        judged.put(name, None)
    assert judged.error(calls) < 1e-10


def test_the_error_of_a_matrix_alone_is_predicted(
    judge: Judge, weigh: Weigh, sample: SampledCalls
) -> None:
    judged, calls = judge("dit"), sample.calls["dit"]
    weighed = weigh(judged)
    scheme = Scheme.parse("palette4 rows 16")
    large = [name for name in judged.parameters if name.endswith((".conv_inverted", ".conv_point"))]
    for name in large[::3]:
        values = judged.values(name)
        stored = compress(values, scheme)
        judged.put(name, stored.expanded())
        found = judged.error(calls)
        judged.put(name, None)
        told = predicted(values, stored, weighed, name)
        assert math.sqrt(told) == pytest.approx(math.sqrt(found), rel=0.2), name


def test_it_is_the_same_twice_and_kept(judge: Judge, sample: SampledCalls, tmp_path: Path) -> None:
    judged, calls = judge("mcp"), sample.calls["mcp"]
    paths = [tmp_path / "one", tmp_path / "two"]
    for path in paths:
        importance.measure(judged, calls, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again = importance.Importance(paths[0], judged, "r+")
    assert all(again.weights(name).any() for name in judged.parameters)


def test_an_interrupted_measurement_goes_on(
    judge: Judge, sample: SampledCalls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged, calls = judge("mcp"), sample.calls["mcp"]
    importance.measure(judged, calls, tmp_path / "one")
    monkeypatch.setattr(importance, "_SAVED", -1)  # whenever it can
    probes = -(-importance.LEAST_PROBES // len(calls))

    def stopping(stage: str, done: int, total: int) -> None:
        if done == 2 * probes + 1:
            raise KeyboardInterrupt

    two = tmp_path / "two"
    with pytest.raises(KeyboardInterrupt):
        importance.measure(judged, calls, two, stopping)
    assert not two.exists()
    told: list[int] = []
    importance.measure(judged, calls, two, lambda stage, done, total: told.append(done))
    assert told[0] == 2 * probes
    assert two.read_bytes() == (tmp_path / "one").read_bytes()
    importance.forget(two)
    assert not list(tmp_path.glob("two*"))


def test_what_a_pass_keeps_may_lie_in_files(
    judge: Judge, sample: SampledCalls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged, calls = judge("mcp"), sample.calls["mcp"]
    importance.measure(judged, calls, tmp_path / "one")
    monkeypatch.setattr(importance, "_LARGE", 1)
    importance.measure(judged, calls, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_a_package_holds_is_the_product_of_what_is_folded(judge: Judge) -> None:
    judged = judge("vision_encoder")
    folded = [name for name in judged.parameters if not np.all(judged.factors(name) == 1)]
    assert {name.rpartition(".")[2] for name in folded} == {"fc2", "conv"}
    for name in folded:
        before = judged.parameters[name].numpy().copy()
        judged.put(name, judged.values(name))
        np.testing.assert_allclose(judged.parameters[name].numpy(), before, rtol=3e-7, atol=1e-12)
