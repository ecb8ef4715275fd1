from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mobileo_export.artifacts.engine import stamp
from mobileo_export.errors import BundleError, RuntimeUnavailableError
from mobileo_export.runtimes.tensorrt import engine
from tests.runtimes.tensorrt import fake_tensorrt, graphs
from tests.runtimes.tensorrt.fake_cuda import FakeCuda

PROFILE = {"x": ((1, 1, 4), (1, 3, 4), (1, 9, 4)), "count": ((1,), (1,), (1,))}


@pytest.fixture
def where(tmp_path: Path) -> stamp.Place:
    (tmp_path / "b").mkdir()
    onnx = graphs.scale(tmp_path / "b" / "scale.onnx")
    return fake_tensorrt.write_engine(onnx, [PROFILE], FakeCuda())


def opened(where: stamp.Place, **changes: object) -> engine.Engine:
    cuda = FakeCuda(**changes.pop("cuda", {}))  # type: ignore[arg-type]
    how = fake_tensorrt.Behaviour(refuse_load=str(changes.get("refuse_load", "")))
    library = fake_tensorrt.library(cuda, how, str(changes.get("version", "10.3.0")))
    return engine.open_engine(where, library, cuda)


def test_engines_lie_beside_the_bundle(tmp_path: Path, where: stamp.Place) -> None:
    assert where.engine == tmp_path / "b.engines" / "scale.engine"
    (tmp_path / "c" / "llm").mkdir(parents=True)
    (tmp_path / "c" / "manifest.json").write_text("{}")
    inner = stamp.place(tmp_path / "c" / "llm" / "llm_0.onnx")
    assert inner.engine == tmp_path / "c.engines" / "llm-llm_0.engine"
    assert inner.stamp.name == "llm-llm_0.engine.json"
    assert inner.log.name == "llm-llm_0.log"


def test_a_fitting_engine_opens(where: stamp.Place) -> None:
    found = opened(where)
    assert [(t.name, t.is_input, t.shape) for t in found.tensors] == [
        ("x", True, (1, -1, 4)),
        ("count", True, (1,)),
        ("y", False, (1, -1, 4)),
    ]
    assert found.tensor("x").profiles == (((1, 1, 4), (1, 3, 4), (1, 9, 4)),)
    with pytest.raises(BundleError, match="its engine has no tensor z but x, count, y; build it"):
        found.tensor("z")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"version": "10.16.2"},
            r"built with TensorRT 10.3.0 on compute capability 8.7, here is TensorRT 10.16.2 on",
        ),
        ({"cuda": {"capability": (8, 6)}}, "here is TensorRT 10.3.0 on compute capability 8.6"),
    ],
)
def test_another_version_or_device_is_refused(
    where: stamp.Place, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(BundleError, match=message) as raised:
        opened(where, **changes)
    assert str(raised.value).endswith(f"run mobileo-jetson build {where.onnx.parent}")


def test_a_truncated_engine_is_refused_by_its_size(where: stamp.Place) -> None:
    where.engine.write_bytes(where.engine.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"is \d+ bytes, \d+ were written: it is cut short"):
        opened(where)


def test_an_engine_that_does_not_load_says_what_tensorrt_said(where: stamp.Place) -> None:
    data = b"X" + where.engine.read_bytes()[1:]
    where.engine.write_bytes(data)  # of the same size
    message = r"TensorRT cannot load it \(IRuntime::deserializeCudaEngine: Magic tag does not match"
    with pytest.raises(RuntimeUnavailableError, match=message):
        opened(where)


def test_a_device_that_tensorrt_was_not_made_for_is_no_want_of_memory(where: stamp.Place) -> None:
    said = (
        "Error Code 6: API Usage Error (The engine cannot run on this GPU, which has compute "
        "capability 9.0. TensorRT-RTX does not support this compute capability, so the engine "
        "cannot be rebuilt for it.)"
    )
    with pytest.raises(RuntimeUnavailableError, match="use a device that this TensorRT") as raised:
        opened(where, refuse_load=said)
    assert "memory is short" not in str(raised.value)


def test_another_graph_is_refused(where: stamp.Place) -> None:
    graphs.scale(where.onnx, width=8)
    with pytest.raises(BundleError, match=r"was built from another scale.onnx"):
        opened(where)


def test_missing_files_are_named(where: stamp.Place) -> None:
    where.stamp.unlink()
    with pytest.raises(BundleError, match="has no stamp; run mobileo-jetson build"):
        opened(where)
    where.engine.unlink()
    with pytest.raises(BundleError, match="is not built yet; run mobileo-jetson build"):
        opened(where)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": "other"}',
        '{"format": "mobileo-engine", "format_version": 2}',
        '{"format": "mobileo-engine", "format_version": 1}',
        "[" * 100_000,
    ],
)
def test_hostile_stamps_are_refused(where: stamp.Place, text: str) -> None:
    where.stamp.write_text(text)
    with pytest.raises(BundleError, match="cannot be read .*; run mobileo-jetson build"):
        stamp.read(where)


def test_a_stamp_with_a_key_twice_is_refused(where: stamp.Place) -> None:
    where.stamp.write_text(where.stamp.read_text().replace("{", '{"size": 1,', 1))
    with pytest.raises(BundleError, match="the key 'size' occurs twice"):
        stamp.read(where)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", "x"),
        ("size", 1.5),
        ("sha256", None),
        ("target", "x"),
        ("target", {"a": 1}),
        ("target", {"library": 1, "version": "1", "compute_capability": "8.7"}),
        ("scratch", None),
        ("scratch", [None]),
        ("options", []),
        ("source_sha256", 1),
        ("build_seconds", "x"),
        ("another", 1),
    ],
)
def test_values_of_a_wrong_type_are_refused(where: stamp.Place, key: str, value: object) -> None:
    content = json.loads(where.stamp.read_text())
    content[key] = value
    where.stamp.write_text(json.dumps(content))
    with pytest.raises(BundleError, match="cannot be read"):
        stamp.read(where)


def test_a_stamp_is_read_as_it_was_written(where: stamp.Place) -> None:
    written = replace(stamp.read(where), options={"profiles": [{"name": "b"}, {"name": "a"}]})
    stamp.write(where, written)
    assert stamp.read(where) == written
    assert not list(where.stamp.parent.glob("*.partial"))


def test_a_stamp_that_cannot_be_written_leaves_the_old_one(
    where: stamp.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    before = stamp.read(where)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        stamp.write(where, replace(before, size=1))
    assert stamp.read(where) == before
    assert not list(where.stamp.parent.glob("*.partial"))


def test_the_digest_covers_external_weights(tmp_path: Path) -> None:
    onnx = graphs.matmul(tmp_path / "m.onnx")
    before = stamp.source_digest(onnx, trust_manifest=False)
    data = tmp_path / "m.onnx.data"
    raw = bytearray(data.read_bytes())
    raw[-1] ^= 1
    data.write_bytes(raw)
    assert stamp.source_digest(onnx, trust_manifest=False) != before
    onnx.unlink()
    with pytest.raises(BundleError, match="no such file"):
        stamp.source_digest(onnx, trust_manifest=True)


def test_targets_are_plain_data() -> None:
    target = stamp.Target("tensorrt", "10.3.0", "8.7")
    assert stamp.Target(**asdict(target)) == target
    assert str(replace(target, library="tensorrt_rtx")).startswith("tensorrt_rtx 10.3.0")
