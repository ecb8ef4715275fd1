from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileo_export.bench.measurement import (
    Measurement,
    Published,
    digits,
    drift,
    drift_text,
    measure,
    report,
    results_schema,
)


def of(*values: float, published: Published | None = None) -> Measurement:
    return Measurement("image", "s", "from here to there", values, 2, published)


def test_summary() -> None:
    found = of(1.0, 2.0, 3.0, 4.0).as_json()
    assert found["mean"] == 2.5
    assert found["deviation"] == pytest.approx(1.29099, abs=1e-5)  # of a sample: n − 1
    assert found["median"] == 2.5
    assert found["p95"] == pytest.approx(3.85)
    assert (found["min"], found["max"]) == (1.0, 4.0)


def test_one_run_has_no_deviation() -> None:
    assert of(3.0).as_json()["deviation"] is None
    assert of(3.0).text() == "3"
    assert of(487.2, 489.2).text() == "488 ± 1.41"


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=40))
def test_order_holds(values: list[float]) -> None:
    found = of(*values)
    slack = 1e-9 * max(values)
    assert min(values) - slack <= found.quantile(0.5) <= found.quantile(0.95) + slack
    assert found.quantile(0.95) <= max(values) + slack
    assert found.mean == pytest.approx(float(np.mean(values)))


def test_warmups_run_and_do_not_count() -> None:
    calls: list[int] = []
    told: list[tuple[int, int]] = []

    def once() -> float:
        calls.append(len(calls))
        return float(len(calls))

    assert measure(3, 2, once, lambda done, total: told.append((done, total))) == (3.0, 4.0, 5.0)
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    (seconds,) = measure(1, 0, lambda: None)
    assert 0 <= seconds < 1


@pytest.mark.parametrize(("value", "text"), [(488.4, "488"), (4.04, "4.04"), (0.0123, "0.0123")])
def test_digits(value: float, text: str) -> None:
    assert digits(value) == text


def test_the_document_fits_its_schema() -> None:
    found = report(
        program="mobileo-jetson",
        version="0",
        runtime="tensorrt",
        bundle={"manifest_sha256": "0" * 64},
        machine={"model": None},
        settings={"runs": 1},
        measurements=[of(1.0, published=Published(4, None, "somebody")), of(2.0, 3.0)],
        telemetry=None,
        notes=("said",),
    )
    schema = results_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(json.dumps(found)), schema)
    found["measurements"][0]["values"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(json.dumps(found)), schema)


@pytest.mark.parametrize(
    ("values", "change"),
    [
        ([100.0] * 4, None),  # too few to tell
        ([100.0] * 10, None),
        ([100.0, 101, 99, 100, 104, 103, 104, 105], None),  # no more than 5 %
        ([100.0, 140, 99, 120, 130, 105, 101, 138], None),  # the halves overlap
        ([100.0, 101, 99, 100, 120, 121, 119, 120], 0.2),
        ([100.0, 101, 99, 100, 7000, 120, 121, 119, 120], 0.2),  # the middle run is of neither
        ([150.0, 151, 149, 150, 120, 121, 119, 120], -0.2),
    ],
)
def test_a_clock_that_falls_is_seen(values: list[float], change: float | None) -> None:
    assert drift(values) == (None if change is None else pytest.approx(change))


def test_what_a_drift_says_depends_on_what_is_measured() -> None:
    values = [100.0, 101, 99, 100, 120, 121, 119, 120]
    slower = "dit_step: the second half of its runs was 20% slower than the first; a clock fell"
    assert (drift_text("dit_step", "ms", values) or "").startswith(slower)
    faster = "decode_rate: the second half of its runs was 20% faster than the first; it was not"
    assert (drift_text("decode_rate", "tokens/s", values) or "").startswith(faster)
    assert drift_text("a", "ms", values[:4]) is None


def test_values_are_kept_when_a_call_fails() -> None:
    kept: list[float] = []

    def once() -> float:
        if len(kept) == 2:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        measure(5, 1, once, found=kept)
    assert kept == [1.0, 1.0]
