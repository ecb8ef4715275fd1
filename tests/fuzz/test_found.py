"""What the fuzzer found, each with its smallest input."""

from __future__ import annotations

import os
import shutil
import signal
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pytest

from mobileo_export import json_file
from mobileo_export.artifacts.mlpackage import package
from mobileo_export.artifacts.mlpackage.schema import model_pb2
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.folder import read_json
from mobileo_export.cli.run import read_npz
from mobileo_export.errors import BundleError, CheckpointError, UsageError
from mobileo_export.merging import tensors
from mobileo_export.parity.stored_values import package_graph

from ..surgery import relative_difference, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "Data/com.apple.CoreML/model.mlmodel"


class LateError(Exception):
    """No OSError, which readers take for a file that cannot be read."""


@contextmanager
def at_once(seconds: float = 20.0) -> Iterator[None]:
    """Fail instead of waiting for ever."""

    def late(number: int, frame: object) -> NoReturn:
        raise LateError("waits for ever")

    previous = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@pytest.mark.parametrize(
    ("name", "read", "error"),
    [
        ("config.json", read_json, CheckpointError),
        ("manifest.json", lambda path: manifest.read(path.parent), BundleError),
        ("m.operations.json", package_graph.read_map, BundleError),
        ("model.safetensors", safetensors_file.read_header, CheckpointError),
        ("arrays.npz", read_npz, UsageError),
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "endless device"])
def test_a_file_that_never_ends_is_refused_unread(
    tmp_path: Path,
    name: str,
    read: Callable[[Path], object],
    error: type[Exception],
    kind: str,
) -> None:
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with at_once(), pytest.raises(error, match="not a|a link that leads outside"):
        read(path)


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (read_json, CheckpointError),
        (lambda path: manifest.read(path.parent), BundleError),
        (package_graph.read_map, BundleError),
    ],
)
def test_a_giant_is_refused_unread(
    tmp_path: Path, read: Callable[[Path], object], error: type[Exception]
) -> None:
    path = tmp_path / "manifest.json"
    with path.open("wb") as file:
        file.truncate(40 << 30)  # takes no room on the disk
    with pytest.raises(error):
        read(path)


def test_a_giant_model_is_refused_unread(tiny_bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_bundle / "connector.mlpackage", tmp_path / "x.mlpackage"))
    with (copy / MODEL).open("wb") as file:
        file.truncate(40 << 30)
    with pytest.raises(BundleError, match="at most"):
        package.open_package(copy).parse()


def test_a_file_that_the_library_cannot_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors

    def full(*arguments: object, **options: object) -> NoReturn:
        raise MemoryError("Cannot allocate memory (os error 12)")

    monkeypatch.setattr(safetensors, "safe_open", full)
    path = save(tmp_path / "x.safetensors", {"a": ("F32", np.zeros(3, np.float32))})
    with pytest.raises(CheckpointError, match="Cannot allocate memory"):
        safetensors_file.read_header(path)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"b": [{"a": 1, "a": 1}]}'])
def test_a_key_that_occurs_twice(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="'a' occurs twice"):
        json_file.load(path)


def test_constants_are_taken_where_python_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[Infinity]")
    assert json_file.load(path) == [float("inf")]
    with pytest.raises(ValueError, match="Infinity is no JSON"):
        json_file.load(path, constants=False)


def test_nesting_without_end(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[" * 200_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        json_file.load(path)


def test_a_message_that_quotes_too_much_is_cut_in_the_middle() -> None:
    error = UsageError(f"{'x' * 100_000}\n is wrong; \x1b[31m do this next")
    assert len(str(error)) == 1000
    assert str(error).startswith("xxx")
    assert str(error).endswith("is wrong; \\x1b[31m do this next")


def test_an_operation_without_a_result(tiny_bundle: Path, tmp_path: Path) -> None:
    name = "connector"
    copy = Path(shutil.copytree(tiny_bundle / f"{name}.mlpackage", tmp_path / "x.mlpackage"))
    model = model_pb2().Model()
    model.ParseFromString((copy / MODEL).read_bytes())
    function = model.mlProgram.functions["main"]
    operations = function.block_specializations[function.opset].operations
    del next(op for op in operations if op.type == "const").outputs[:]
    (copy / MODEL).write_bytes(model.SerializeToString())
    with pytest.raises(BundleError):
        package_graph.load(copy, tiny_bundle / f"{name}.operations.json")


def test_a_factor_that_is_not_a_number_makes_no_noise(tmp_path: Path) -> None:
    signalling = np.array([0x7F810000, 0], np.uint32).view(np.float32)
    path = save(tmp_path / "x.safetensors", {"a": ("F32", signalling)})
    (info,) = safetensors_file.read_header(path).values()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError, match="NaN"):
            tensors.float64(tensors.of(info))


def test_a_distance_without_bound_makes_no_noise(tmp_path: Path) -> None:
    values = {
        name: ("F32", np.array([x, 1], np.float32)) for name, x in (("a", 3e38), ("b", -3e38))
    }
    infos = safetensors_file.read_header(save(tmp_path / "x.safetensors", values))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert relative_difference(infos["a"], infos["b"]) == float("inf")
