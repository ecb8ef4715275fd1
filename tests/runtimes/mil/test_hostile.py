"""Damaged and malicious packages: one clear line, no crash, no allocation."""

from __future__ import annotations

import json
import shutil
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.artifacts.mlpackage.schema import model_pb2
from mobileo_export.errors import BundleError, RuntimeUnavailableError, UsageError
from mobileo_export.runtimes.mil import Limits, MilRuntime

from .export import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
X = np.ones((2, 64), np.float32)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from coremltools.converters.mil import Builder as mb  # noqa: N813 - as everywhere

    weight = np.arange(64 * 32, dtype=np.float32).reshape(32, 64)

    def body(x: Any) -> Any:
        y = mb.linear(x=x, weight=weight, bias=np.zeros(32, np.float32))
        return mb.tile(x=mb.relu(x=y), reps=[2, 3], name="out")

    return build(body, {"x": X}, tmp_path_factory.mktemp("hostile") / "intact.mlpackage")


@pytest.fixture
def package(intact: Path, tmp_path: Path) -> Path:
    return shutil.copytree(intact, tmp_path / "model.mlpackage")


def edit(package: Path, change: Callable[[Any, list[Any]], None]) -> None:
    """Rewrite the protobuf after ``change`` saw the model and the operations."""
    model = model_pb2().Model()
    model.ParseFromString((package / MODEL).read_bytes())
    function = model.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    change(model, block.operations)
    (package / MODEL).write_bytes(model.SerializeToString())


def find(ops: Any, kind: str) -> Any:
    return next(op for op in ops if op.type == kind)


def stored(ops: Any) -> Any:
    """The constant in the weight file."""
    return next(
        op.attributes["val"]
        for op in ops
        if op.type == "const" and op.attributes["val"].WhichOneof("value") == "blobFileValue"
    )


def refused(package: Path, pattern: str, limits: Limits | None = None) -> None:
    with pytest.raises(BundleError, match=pattern) as caught:
        MilRuntime(limits=limits).load(package).run({"x": X})
    assert "\n" not in str(caught.value)


def test_intact_package_runs(package: Path) -> None:
    assert MilRuntime().load(package).run({"x": X})["out"].shape == (4, 96)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such package"):
        MilRuntime().load(tmp_path / "none.mlpackage")


def test_package_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file.mlpackage"
    path.write_bytes(b"x")
    refused(path, "is a folder")


@pytest.mark.parametrize("name", ["Manifest.json", MODEL, WEIGHTS])
def test_missing_file(package: Path, name: str) -> None:
    (package / name).unlink()
    refused(package, "is missing")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"rootModelIdentifier": []}', b"[" * 100_000]
)
def test_broken_manifest(package: Path, content: bytes) -> None:
    (package / "Manifest.json").write_bytes(content)
    refused(package, r"Manifest\.json")


@pytest.mark.parametrize("path", ["../../../etc/passwd", "/etc/passwd", "a\0b", "."])
def test_manifest_leads_outside(package: Path, path: str) -> None:
    manifest = json.loads((package / "Manifest.json").read_text())
    manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"] = path
    (package / "Manifest.json").write_text(json.dumps(manifest))
    refused(package, "leads outside|is missing|names no root model")


@pytest.mark.parametrize("name", ["Manifest.json", MODEL, WEIGHTS])
def test_symbolic_link_leads_outside(package: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    (package / name).rename(outside)
    (package / name).symlink_to(outside)
    refused(package, "leads outside")


def test_symbolic_link_to_itself(package: Path) -> None:
    (package / WEIGHTS).unlink()
    (package / WEIGHTS).symlink_to("weight.bin")
    refused(package, r"cannot resolve|is missing")


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x0a" * 4096, b"not a protobuf"])
def test_garbage_protobuf(package: Path, content: bytes) -> None:
    (package / MODEL).write_bytes(content)
    refused(package, "not a Core ML model|not an ML Program")


def test_truncated_protobuf(package: Path) -> None:
    content = (package / MODEL).read_bytes()
    for end in range(0, len(content), 97):
        (package / MODEL).write_bytes(content[:end])
        with pytest.raises(BundleError):
            MilRuntime().load(package).run({"x": X})


def test_another_kind_of_model(package: Path) -> None:
    edit(package, lambda model, ops: model.neuralNetwork.layers.add())
    refused(package, "holds neuralNetwork, not an ML Program")


@pytest.mark.parametrize("size", [0, 10, 64, 128, 2000])
def test_truncated_weights(package: Path, size: int) -> None:
    content = (package / WEIGHTS).read_bytes()
    (package / WEIGHTS).write_bytes(content[:size])
    refused(package, r"weight\.bin")


@pytest.mark.parametrize(
    ("offset", "value", "pattern"),
    [
        (4, struct.pack("<I", 7), "version 7"),
        (64, struct.pack("<I", 0), "no metadata record"),
        (68, struct.pack("<I", 1), "stored type 1, but the graph declares fp32"),
        (72, struct.pack("<Q", 1 << 62), "bytes stored, but"),
        (72, struct.pack("<Q", 4), "4 bytes stored, but"),
        (80, struct.pack("<Q", 1 << 63), "data end at byte"),
        (80, struct.pack("<Q", 2**64 - 64), "data end at byte"),
        (80, struct.pack("<Q", 130), "data end at byte"),
    ],
)
def test_lying_metadata(package: Path, offset: int, value: bytes, pattern: str) -> None:
    content = bytearray((package / WEIGHTS).read_bytes())
    content[offset : offset + len(value)] = value
    (package / WEIGHTS).write_bytes(content)
    refused(package, pattern)


@pytest.mark.parametrize("offset", [1, 63, 1 << 40, (1 << 64) - 64])
def test_lying_offset(package: Path, offset: int) -> None:
    def change(model: Any, ops: Any) -> None:
        stored(ops).blobFileValue.offset = offset

    edit(package, change)
    refused(package, "no metadata record")


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "@model_path/../../../../etc/passwd", "weight.bin", "", "@model_path/\0"],
)
def test_weight_file_outside(package: Path, name: str) -> None:
    def change(model: Any, ops: Any) -> None:
        stored(ops).blobFileValue.fileName = name

    edit(package, change)
    refused(package, "leads outside|is missing|@model_path")


def test_shape_disagrees_with_the_file(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        stored(ops).type.tensorType.dimensions[0].constant.size = 33

    edit(package, change)
    refused(package, "bytes stored, but")


@pytest.mark.parametrize("size", [1 << 40, (1 << 64) - 1])
def test_absurd_declared_shape(package: Path, size: int) -> None:
    def change(model: Any, ops: Any) -> None:
        find(ops, "tile").outputs[0].type.tensorType.dimensions[0].constant.size = size

    edit(package, change)
    refused(package, "would take .* bytes")


def test_absurd_tile_behind_a_run_time_size(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        tile = find(ops, "tile")
        tile.outputs[0].type.tensorType.dimensions[0].unknown.SetInParent()
        reps = tile.inputs["reps"].arguments[0].name
        const = next(op for op in ops if op.outputs[0].name == reps)
        const.attributes["val"].immediateValue.tensor.ints.values[0] = 2**31 - 1

    edit(package, change)
    refused(package, "would take .* bytes")


def test_limit_is_configurable(package: Path) -> None:
    refused(package, "would take 8,192 bytes", Limits(value_bytes=8191))


def test_result_is_not_as_declared(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        find(ops, "tile").outputs[0].type.tensorType.dimensions[0].constant.size = 5

    edit(package, change)
    refused(package, r"op 'out' \(tile\) cannot be executed: the result has shape \[4, 96\]")


def test_unknown_operation(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        find(ops, "relu").type = "frobnicate"

    edit(package, change)
    refused(package, r"function 'main': op '.*' \(frobnicate\) is not a known operation")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred"])
def test_names_cannot_control_the_terminal(package: Path, name: str) -> None:
    def change(model: Any, ops: Any) -> None:
        find(ops, "relu").type = name

    edit(package, change)
    refused(package, "holds control characters")


def test_operation_that_is_not_executed(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        find(ops, "relu").type = "custom_layer"

    edit(package, change)
    with pytest.raises(RuntimeUnavailableError, match=r"model\.mlpackage.*custom_layer"):
        MilRuntime().load(package)


def test_unknown_parameter(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        relu = find(ops, "relu")
        relu.inputs["z"].CopyFrom(relu.inputs["x"])

    edit(package, change)
    refused(package, "takes no 'z'")


def test_missing_parameter(package: Path) -> None:
    edit(package, lambda model, ops: find(ops, "relu").inputs.clear())
    refused(package, "lacks 'x'")


def test_undefined_value(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        find(ops, "relu").inputs["x"].arguments[0].name = "nowhere"

    edit(package, change)
    refused(package, "uses 'nowhere' which is never defined")


def test_cycle(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        find(ops, "linear").inputs["x"].arguments[0].name = "out"

    edit(package, change)
    refused(package, "uses 'out' before it is defined")


def test_value_defined_twice(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        find(ops, "relu").outputs[0].name = "x"

    edit(package, change)
    refused(package, "'x' is defined twice")


def test_constant_too_short(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        reps = find(ops, "tile").inputs["reps"].arguments[0].name
        const = next(op for op in ops if op.outputs[0].name == reps)
        del const.attributes["val"].immediateValue.tensor.ints.values[:]

    edit(package, change)
    refused(package, "does not hold 2 x int32")


@pytest.mark.parametrize("code", [0, 40, 999])
def test_unknown_element_type(package: Path, code: int) -> None:
    def change(model: Any, ops: Any) -> None:
        find(ops, "relu").outputs[0].type.tensorType.dataType = code

    edit(package, change)
    refused(package, "unsupported element type")


def test_operation_fails_on_its_operands(package: Path) -> None:
    def change(model: Any, ops: Any) -> None:
        reps = find(ops, "tile").inputs["reps"].arguments[0].name
        const = next(op for op in ops if op.outputs[0].name == reps)
        const.attributes["val"].immediateValue.tensor.ints.values[0] = -1

    edit(package, change)
    refused(package, r"op 'out' \(tile\) cannot be executed")


@pytest.mark.parametrize(
    ("inputs", "pattern"),
    [
        ({}, "input 'x' is missing"),
        ({"x": X, "y": X}, "there is no input 'y'"),
        ({"x": X[0]}, r"has shape \(64,\), expected float32\[2, 64\]"),
        ({"x": X[:1]}, "has size 1 on axis 0, expected 2"),
        ({"x": X.astype(np.float64)}, "has type float64, expected float32"),
        ({"x": X.tolist()}, "is a list, not a NumPy array"),
    ],
)
def test_inputs_that_do_not_fit(intact: Path, inputs: dict[str, Any], pattern: str) -> None:
    with pytest.raises(UsageError, match=pattern):
        MilRuntime().load(intact).run(inputs)


def test_closed_session(intact: Path) -> None:
    session = MilRuntime().load(intact)
    session.close()
    with pytest.raises(UsageError, match="closed"):
        session.run({"x": X})


def test_random_damage_never_crashes(package: Path) -> None:
    rng = np.random.default_rng(0)
    content = (package / MODEL).read_bytes()
    for _ in range(300):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content), 3):
            damaged[position] = rng.integers(0, 256)
        (package / MODEL).write_bytes(damaged)
        try:
            session = MilRuntime(limits=Limits(value_bytes=1 << 20)).load(package)
            session.run({name.name: X for name in session.signature.inputs})
        except (BundleError, RuntimeUnavailableError, UsageError) as error:
            assert "\n" not in str(error)  # noqa: PT017 - most damage is harmless
