"""Files that are written are the library's to the byte, and whole or not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobileo_export.checkpoint import safetensors_file as io
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from tests import surgery

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from numpy.typing import NDArray

in_a_temporary_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
_NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
    lambda name: name != "__metadata__"
)
_SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@given(
    st.dictionaries(_NAMES, st.tuples(st.sampled_from(list(io.RAW_DTYPES)), _SHAPES), min_size=1),
    st.randoms(use_true_random=False),
)
@in_a_temporary_folder
def test_the_bytes_are_the_library_s(
    tmp_path: Path, plan: dict[str, tuple[str, io.Shape]], chance: random.Random
) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save

    path = tmp_path / "ours.safetensors"
    path.unlink(missing_ok=True)
    arrays = {
        name: np.frombuffer(chance.randbytes(io.tensor_bytes(*entry)), np.uint8)
        for name, entry in plan.items()
    }
    order = list(plan)
    chance.shuffle(order)
    with SafetensorsWriter(path, plan) as writer:
        for name in order:
            dtype, shape = plan[name]
            raw = arrays[name] & 1 if dtype == "BOOL" else arrays[name]
            arrays[name] = raw.view(io.RAW_DTYPES[dtype]).reshape(shape)
            writer.write(name, arrays[name])
    theirs = {}
    for name, array in arrays.items():
        tensor = torch.from_numpy(np.array(array, copy=True))
        theirs[name] = tensor.view(torch.bfloat16) if plan[name][0] == "BF16" else tensor
    assert path.read_bytes() == save(theirs)


def test_metadata_is_the_library_s(tmp_path: Path) -> None:
    from safetensors.numpy import save

    path, values = tmp_path / "ours.safetensors", np.arange(3, dtype=np.float32)
    with SafetensorsWriter(path, {"x": ("F32", (3,))}, {"format": "mlx"}) as writer:
        writer.write("x", values)
    assert path.read_bytes() == save({"x": values}, {"format": "mlx"})
    assert list(io.read_header(path)) == ["x"]


def test_parts_make_the_same_file(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.float32).reshape(3, 20)
    whole = surgery.save(tmp_path / "whole.safetensors", {"x": ("F32", values)})
    parts = tmp_path / "parts.safetensors"
    with SafetensorsWriter(parts, {"x": ("F32", (3, 20))}) as writer:
        for first in (40, 0, 20):
            writer.write_part("x", first, values.reshape(-1)[first : first + 20])
    assert parts.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("first", [-1, 8, 1 << 62])
def test_a_part_outside_its_tensor_is_refused(tmp_path: Path, first: int) -> None:
    path = tmp_path / "x.safetensors"
    with (
        pytest.raises(ValueError, match="do not fit"),
        SafetensorsWriter(path, {"x": ("F32", (10,))}) as writer,
    ):
        writer.write_part("x", first, np.zeros(3, np.float32))
    assert not path.exists()


@pytest.mark.parametrize("values", [np.zeros(2, "<f4"), np.zeros(3), np.zeros((1, 3), "<f4")])
def test_another_tensor_than_planned_is_refused(tmp_path: Path, values: NDArray[Any]) -> None:
    path = tmp_path / "x.safetensors"
    with (
        pytest.raises(ValueError, match="planned"),
        SafetensorsWriter(path, {"x": ("F32", (3,))}) as writer,
    ):
        writer.write("x", values)
    assert not path.exists()


def test_a_file_that_misses_a_tensor_is_not_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    plan: dict[str, tuple[str, io.Shape]] = {"a": ("F32", (2,)), "b": ("F32", (2,))}
    with pytest.raises(ValueError, match=r"\['b'\]"), SafetensorsWriter(path, plan) as writer:
        writer.write("a", np.zeros(2, np.float32))
    assert not path.exists()


def test_a_tensor_written_half_or_twice_is_noticed(tmp_path: Path) -> None:
    for starts in ([0], [0, 2, 2]):
        path = tmp_path / "x.safetensors"
        writer = SafetensorsWriter(path, {"x": ("F32", (4,))})
        for first in starts:
            writer.write_part("x", first, np.zeros(2, np.float32))
        with pytest.raises(ValueError, match=r"\['x'\]"), writer:
            pass
        assert not path.exists()


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        SafetensorsWriter(path, {"x": ("F32", (1,))})
    assert path.read_bytes() == b"precious"
