"""Reading safetensors files, honest and hostile."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobileo_export.checkpoint import safetensors_file as io
from mobileo_export.errors import CheckpointError
from tests import surgery

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALL_BFLOAT16 = np.arange(1 << 16, dtype=np.uint32).astype("<u2")
in_a_temporary_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def one(tmp_path: Path, dtype: str, array: NDArray[Any]) -> io.TensorInfo:
    """A file of one tensor, opened."""
    path = surgery.save(tmp_path / "one.safetensors", {"x": (dtype, array)})
    return io.read_header(path)["x"]


# --- numbers


def test_every_bfloat16_pattern_widens_exactly() -> None:
    torch = pytest.importorskip("torch")
    target = np.empty(ALL_BFLOAT16.shape, np.float32)
    io.widen(ALL_BFLOAT16, "BF16", target)
    wanted = torch.from_numpy(ALL_BFLOAT16.view(np.int16)).view(torch.bfloat16).float().numpy()
    assert np.array_equal(target.view(np.uint32), wanted.view(np.uint32))


def test_every_finite_bfloat16_survives_a_file(tmp_path: Path) -> None:
    finite = ALL_BFLOAT16[(ALL_BFLOAT16 & 0x7F80) != 0x7F80]
    assert finite.size == (1 << 16) - 256
    values = io.read(one(tmp_path, "BF16", finite))
    assert values.dtype == np.float32
    assert np.array_equal(values.view(np.uint32), finite.astype(np.uint32) << 16)
    assert np.array_equal(io.to_bfloat16(values), finite)


def test_every_finite_float16_widens_exactly(tmp_path: Path) -> None:
    patterns = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    finite = patterns[np.isfinite(patterns)]
    values = io.read(one(tmp_path, "F16", finite))
    assert np.array_equal(values.astype(np.float16).view(np.uint16), finite.view(np.uint16))
    assert np.array_equal(values.astype(np.float64), finite.astype(np.float64))


def test_rounding_to_bfloat16_is_torch_s() -> None:
    torch = pytest.importorskip("torch")
    bits = np.random.default_rng(0).integers(0, 1 << 32, 1 << 18, dtype=np.uint32)
    # Exact ties below even and odd neighbours, and the largest values, which round to infinity.
    ties = (np.arange(1 << 16, dtype=np.uint32) << 16) | 0x8000
    values = np.concatenate([bits, ties, ties + 1, ties - 1]).view(np.float32)
    values = values[np.isfinite(values)]
    wanted = torch.from_numpy(values).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    assert np.array_equal(io.to_bfloat16(values), wanted)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (2, 0, 4), (2, 3, 4)])
def test_rounding_keeps_the_shape(shape: tuple[int, ...]) -> None:
    values = np.full(shape, 1.5, np.float32)
    rounded = io.to_bfloat16(values)
    assert rounded.shape == shape
    assert (rounded == 0x3FC0).all()


def test_rounding_reads_any_memory_order() -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    wanted = io.to_bfloat16(np.ascontiguousarray(values.T))
    assert np.array_equal(io.to_bfloat16(values.T), wanted)
    assert np.array_equal(io.to_bfloat16(values[:, ::2]), io.to_bfloat16(values[:, ::2].copy()))


@pytest.mark.parametrize("dtype", ["I64", "I32", "U32", "U8", "BOOL"])
def test_integers_are_read_as_stored(tmp_path: Path, dtype: str) -> None:
    stored = np.array([0, 1, 1], io.RAW_DTYPES[dtype])
    values = io.read(one(tmp_path, dtype, stored))
    assert values.dtype == stored.dtype
    assert np.array_equal(values, stored)
    assert values.flags.owndata


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 6, 9])
def test_not_finite_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, bad: float, place: int
) -> None:
    monkeypatch.setattr(io, "_CHUNK", 4)  # the last value lies in a chunk of its own
    values = np.linspace(-1, 1, 10, dtype=np.float32)
    values[place] = bad
    raw = {
        "BF16": (values.view(np.uint32) >> 16).astype("<u2"),
        "F16": values.astype("<f2"),
        "F32": values,
    }[dtype]
    info = one(tmp_path, dtype, raw)
    with pytest.raises(CheckpointError, match="tensor x holds NaN or infinity"):
        io.read(info)


def test_float64_is_refused(tmp_path: Path) -> None:
    info = one(tmp_path, "F64", np.zeros(3))
    with pytest.raises(CheckpointError, match="x is F64, which float32 cannot hold exactly"):
        io.read(info)


def test_an_unknown_dtype_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fp8.safetensors"
    entry = {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}
    surgery.join(path, {"x": entry}, bytes(4))
    info = io.read_header(path)["x"]
    with pytest.raises(CheckpointError, match="x has dtype F8_E4M3, which is not supported"):
        io.read(info)


# --- comparing


def test_relative_difference_is_the_formula(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(io, "_PART", 7)
    left, right = np.random.default_rng(1).standard_normal((2, 5, 9)).astype(np.float32)
    path = surgery.save(tmp_path / "two.safetensors", {"a": ("F32", left), "b": ("F32", right)})
    infos = io.read_header(path)
    x, y = left.astype(np.float64), right.astype(np.float64)
    wanted = np.linalg.norm(y - x) / np.linalg.norm(x)
    assert surgery.relative_difference(infos["a"], infos["b"]) == pytest.approx(wanted, rel=1e-6)
    assert surgery.relative_difference(infos["a"], infos["a"]) == 0
    assert not surgery.same_bytes(infos["a"], infos["b"])
    assert surgery.same_bytes(infos["a"], infos["a"])


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [(0.0, 0.0, 0.0), (0.0, 1.0, np.inf), (1.0, np.nan, np.inf), (np.inf, 1.0, np.inf)],
)
def test_relative_difference_at_the_edges(
    tmp_path: Path, left: float, right: float, wanted: float
) -> None:
    tensors = {"a": ("F32", np.full(3, left, "<f4")), "b": ("F32", np.full(3, right, "<f4"))}
    infos = io.read_header(surgery.save(tmp_path / "edge.safetensors", tensors))
    assert surgery.relative_difference(infos["a"], infos["b"]) == wanted


def test_the_same_values_in_another_dtype_do_not_differ(tmp_path: Path) -> None:
    values = np.array([1.5, -2.0], "<f4")
    tensors = {"a": ("F32", values), "b": ("BF16", io.to_bfloat16(values))}
    infos = io.read_header(surgery.save(tmp_path / "mixed.safetensors", tensors))
    assert not surgery.same_bytes(infos["a"], infos["b"])
    assert surgery.relative_difference(infos["a"], infos["b"]) == 0


# --- hostile files


def entry(shape: list[Any], begin: Any, end: Any, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


_LIES: dict[str, tuple[Any, int]] = {
    # name: (header, bytes of data that follow it)
    "overlap": ({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, 12),
    "gap": ({"a": entry([2], 0, 8), "b": entry([2], 16, 24)}, 24),
    "too few bytes for the shape": ({"a": entry([3], 0, 8)}, 8),
    "too many bytes for the shape": ({"a": entry([1], 0, 8)}, 8),
    "data cut off": ({"a": entry([4], 0, 16)}, 12),
    "data left over": ({"a": entry([4], 0, 16)}, 20),
    "no data": ({"a": entry([4], 0, 16)}, 0),
    "backwards": ({"a": entry([2], 8, 0)}, 8),
    "negative offset": ({"a": entry([2], -8, 0)}, 8),
    "negative dimension": ({"a": entry([-2], 0, 8)}, 8),
    "fractional dimension": ({"a": entry([2.0], 0, 8)}, 8),
    "boolean dimension": ({"a": entry([True, 2], 0, 8)}, 8),
    "text as dimension": ({"a": entry(["2"], 0, 8)}, 8),
    "dimensions that overflow": ({"a": entry([1 << 62, 1 << 62], 0, 8)}, 8),
    "sys.maxsize": ({"a": entry([(1 << 63) - 1], 0, 8)}, 8),
    "more than 64 bits": ({"a": entry([1 << 70], 0, 8)}, 8),
    "sys.maxsize beside a zero": ({"a": entry([0, (1 << 63) - 1], 0, 0)}, 0),
    "64 bits beside a zero": ({"a": entry([0, (1 << 64) - 1], 0, 0)}, 0),
    "a hundred dimensions": ({"a": entry([1] * 100, 0, 4)}, 4),
    "unknown dtype": ({"a": entry([2], 0, 8, "F33")}, 8),
    "no dtype": ({"a": {"shape": [2], "data_offsets": [0, 8]}}, 8),
    "no offsets": ({"a": {"dtype": "F32", "shape": [2]}}, 8),
    "three offsets": ({"a": {**entry([2], 0, 8), "data_offsets": [0, 4, 8]}}, 8),
    "an entry that is a list": ({"a": []}, 0),
    "a list": ([], 0),
    "null": (None, 0),
    "metadata that is a list": ({"__metadata__": [], "a": entry([2], 0, 8)}, 8),
    "metadata that is not text": ({"__metadata__": {"a": 1}, "a": entry([2], 0, 8)}, 8),
}


@pytest.mark.parametrize("lie", _LIES)
def test_a_header_that_lies_is_refused(tmp_path: Path, lie: str) -> None:
    header, size = _LIES[lie]
    path = tmp_path / "lie.safetensors"
    surgery.join(path, header, bytes(size))
    with pytest.raises(CheckpointError, match=r"lie\.safetensors") as caught:
        io.read_header(path)
    assert "\n" not in str(caught.value)


_GARBAGE: dict[str, bytes] = {
    "empty": b"",
    "seven bytes": b"\x02" + bytes(6),
    "length only": struct.pack("<Q", 2),
    "length beyond the file": struct.pack("<Q", 1 << 20) + b"{}",
    "huge length": struct.pack("<Q", (1 << 64) - 1) + b"{}",
    "sys.maxsize as length": struct.pack("<Q", (1 << 63) - 1) + b"{}",
    "zero length": struct.pack("<Q", 0),
    "not JSON": struct.pack("<Q", 8) + b"not json",
    "not UTF-8": struct.pack("<Q", 8) + b'{"\xff": 1',
    "NaN": struct.pack("<Q", 9) + b'{"a":NaN}',
    "two objects": struct.pack("<Q", 4) + b"{}{}",
    "nested 100,000 deep": struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000,
    "objects nested deep": struct.pack("<Q", 60_001) + b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a pickle": b"\x80\x04\x95" + bytes(40),
    "a zip": b"PK\x03\x04" + bytes(40),
}


@pytest.mark.parametrize("garbage", _GARBAGE)
def test_garbage_is_refused(tmp_path: Path, garbage: str) -> None:
    path = tmp_path / "garbage.safetensors"
    path.write_bytes(_GARBAGE[garbage])
    with pytest.raises(CheckpointError, match=r"garbage\.safetensors: not a readable safetensors"):
        io.read_header(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match="not a readable safetensors file"):
            io.read_header(path)


def test_of_duplicate_names_the_last_is_meant_by_both_readers(tmp_path: Path) -> None:
    path = tmp_path / "twice.safetensors"
    first, second = (json.dumps(entry([size], 0, 4 * size)) for size in (1, 2))
    surgery.join(path, f'{{"a":{first},"a":{second}}}'.encode(), bytes(8))
    assert io.read_header(path)["a"].shape == (2,)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    surgery.save(path, {"a": ("F32", np.ones(3, "<f4")), "b": ("BF16", np.ones(2, "<u2"))})
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError):
            io.read_header(path)


def check_any_bytes(path: Path, content: bytes) -> None:
    """Any file at all: refused, or every tensor that it claims can really be read."""
    path.write_bytes(content)
    try:
        infos = io.read_header(path)
    except CheckpointError:
        return
    for info in infos.values():
        assert 8 <= info.offset <= info.offset + info.nbytes <= len(content)
        try:
            raw = io.raw(info)
        except CheckpointError:
            continue
        assert raw.nbytes == info.nbytes
        assert raw.shape == info.shape


@given(st.binary(max_size=200), st.binary(max_size=40))
@in_a_temporary_folder
def test_any_bytes_are_refused_or_read(tmp_path: Path, header: bytes, data: bytes) -> None:
    check_any_bytes(tmp_path / "any.safetensors", header)
    check_any_bytes(tmp_path / "any.safetensors", struct.pack("<Q", len(header)) + header + data)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(sorted(io.RAW_DTYPES)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
_DIMENSIONS = st.integers(0, 5) | st.sampled_from([1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
_OFFSETS = st.integers(0, 64) | st.sampled_from([(1 << 63) - 1, (1 << 64) - 1])
_ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*io.RAW_DTYPES, "F8_E5M2", "I16", "F4", "C64"]),
        "shape": st.lists(_DIMENSIONS, max_size=4),
        "data_offsets": st.tuples(_OFFSETS, _OFFSETS),
    }
)


@given(st.dictionaries(st.text(max_size=3), _ENTRIES | _VALUES, max_size=3), st.binary(max_size=64))
@in_a_temporary_folder
def test_any_header_is_refused_or_true(tmp_path: Path, header: dict[str, Any], data: bytes) -> None:
    path = tmp_path / "any.safetensors"
    surgery.join(path, header, data)
    check_any_bytes(path, path.read_bytes())


_SNIPPETS = st.binary(max_size=3) | st.sampled_from([b"%c" % char for char in b'0192-{}[],:".e'])


@given(st.lists(st.tuples(st.integers(0, 200), _SNIPPETS), min_size=1, max_size=4))
@in_a_temporary_folder
def test_a_damaged_header_is_refused_or_true(
    tmp_path: Path, damage: list[tuple[int, bytes]]
) -> None:
    path = tmp_path / "damaged.safetensors"
    path.unlink(missing_ok=True)
    surgery.save(path, {"a": ("F32", np.ones((2, 3), "<f4")), "b": ("BF16", np.ones(4, "<u2"))})
    content = bytearray(path.read_bytes())
    for place, replacement in damage:
        start = place % len(content)
        content[start : start + max(len(replacement), 1)] = replacement
    check_any_bytes(path, bytes(content))


def test_reading_leaves_no_file_open(tmp_path: Path) -> None:
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        pytest.skip("this system does not list open files")
    info = one(tmp_path, "F32", np.ones(10, "<f4"))
    before = len(list(handles.iterdir()))
    kept = [io.read(info) for _ in range(50)]
    assert len(list(handles.iterdir())) == before
    assert len(kept) == 50
