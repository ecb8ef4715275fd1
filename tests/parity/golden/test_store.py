"""Arrays come back as they were given, in every form of storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileo_export.errors import UsageError
from mobileo_export.parity.golden import store
from mobileo_export.parity.golden.store import AxisSample, Writer

SCALE = 1 / 255


def back(path: Path, entry: dict[str, Any]) -> np.ndarray:
    data = np.fromfile(path, np.uint8)
    assert store.problem(entry, {path.name: len(data)}) is None
    return store.read(data, entry)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / store.ARRAYS


@pytest.mark.parametrize(
    ("values", "storage"),
    [
        (np.arange(12, dtype=np.int32).reshape(3, 4), "raw"),
        (np.linspace(-1, 1, 70, dtype=np.float32), "raw"),
        (np.array([np.nan, np.inf, -0.0], np.float32), "raw"),
        (np.zeros((4, 40), np.float32), "constant"),
        (np.full(65, np.nan, np.float32), "raw"),
        (np.arange(256, dtype=np.uint8), "raw"),
        (np.arange(256, dtype=np.float32) * np.float32(SCALE), "scaled_uint8"),
        (np.arange(257, dtype=np.float32) * np.float32(SCALE), "raw"),
        (np.linspace(0, 1, 77, dtype=np.float32), "raw"),
    ],
)
def test_what_is_stored_comes_back_to_the_bit(path: Path, values: np.ndarray, storage: str) -> None:
    with Writer(path) as writer:
        writer.add("padding", np.zeros(3, np.uint8))
        number = writer.add("x", values, scale=SCALE if values.dtype == np.float32 else None)
    entry = writer.entries[number]
    assert entry["storage"] == storage
    found = back(path, entry)
    assert (found.dtype, found.tobytes()) == (values.dtype, values.tobytes())


def test_equal_arrays_are_stored_once_and_others_are_not(path: Path) -> None:
    values = np.arange(70, dtype=np.float32)
    with Writer(path) as writer:
        numbers = [writer.add(name, values.copy()) for name in "ab"]
        numbers.append(writer.add("c", values.reshape(7, 10)))
        numbers.append(writer.add("d", values.reshape(7, 10), AxisSample(0, 0, 2)))
        numbers.append(writer.add("e", values.view(np.int32)))
    assert numbers == [0, 0, 1, 2, 3]
    assert [entry["name"] for entry in writer.entries] == ["a", "c", "d", "e"]


@given(st.integers(1, 400), st.integers(1, 50))
def test_a_sample_holds_about_so_many_and_the_last(length: int, about: int) -> None:
    sample = AxisSample.of(length, 1, about)
    values = np.arange(3 * length).reshape(3, length)
    taken = sample.take(values)
    assert taken[0, -1] == length - 1
    assert min(length, about) <= taken.shape[1] <= 2 * about
    entry = {"shape": [3, length], "sample": vars(sample)}
    assert store.stored_shape(entry) == taken.shape


def test_a_trace_does_not_grow_without_bound(path: Path) -> None:
    with Writer(path, limit=1000) as writer:
        writer.add("a", np.arange(200, dtype=np.int32))
        with pytest.raises(UsageError, match="fewer --steps"):
            writer.add("b", np.arange(1, 200, dtype=np.int32))


def test_only_the_stated_dtypes_are_stored(path: Path) -> None:
    with Writer(path) as writer, pytest.raises(TypeError, match="float64"):
        writer.add("a", np.zeros(3))
