from __future__ import annotations

from pathlib import Path

from mobileo_export.artifacts.engine import stamp
from mobileo_export.bundle import manifest
from mobileo_export.jetson import verify
from mobileo_export.runtimes.tensorrt.runtime import Device
from tests.runtimes.tensorrt import fake_tensorrt
from tests.runtimes.tensorrt.fake_cuda import FakeCuda

from . import bundles


def device() -> Device:
    cuda = FakeCuda()
    return Device(fake_tensorrt.library(cuda), cuda)


def test_whole_files_and_engines(bundle: Path) -> None:
    bundles.engines(bundle, FakeCuda())
    assert verify.files(bundle, manifest.read(bundle)) == []
    assert verify.engines(bundle, device()) == []


def test_what_changed_is_named(bundle: Path) -> None:
    first, second = bundles.engines(bundle, FakeCuda())
    raw = bytearray(first.engine.read_bytes())
    raw[-1] ^= 1
    first.engine.write_bytes(raw)  # of the same size
    second.stamp.unlink()
    problems = verify.engines(bundle, device())
    assert problems[0] == f"{first.engine}: its contents changed since it was built"
    assert "has no stamp; run mobileo-jetson build" in problems[1]
    (bundle / "connector.onnx.data").unlink()
    (listed,) = verify.files(bundle, manifest.read(bundle))
    assert listed == "missing connector.onnx.data (listed)"


def test_engines_of_another_version(bundle: Path) -> None:
    bundles.engines(bundle, FakeCuda(), version="10.16.2")
    problems = verify.engines(bundle, device())
    assert len(problems) == 2
    assert all("was built with TensorRT 10.16.2" in problem for problem in problems)
    assert stamp.folder(bundle).is_dir()
