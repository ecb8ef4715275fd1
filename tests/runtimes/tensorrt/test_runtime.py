"""The runtime as the pipelines reach it: whole bundles on fakes, beside ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobileo_export.errors import BundleError, RuntimeUnavailableError
from mobileo_export.runtimes import select
from mobileo_export.runtimes.base import Session
from mobileo_export.runtimes.tensorrt import TensorRTRuntime, libcudart, library
from mobileo_export.runtimes.tensorrt.runtime import Device

from . import fake_tensorrt, graphs
from .fake_cuda import FakeCuda

PROFILE = {"x": ((1, 1, 4), (1, 3, 4), (1, 9, 4)), "count": ((1,), (1,), (1,))}


def device(cuda: FakeCuda) -> Device:
    return Device(fake_tensorrt.library(cuda), cuda)


def test_a_graph_is_run_by_its_engine(tmp_path: Path) -> None:
    onnx = graphs.scale(tmp_path / "scale.onnx")
    cuda = FakeCuda()
    fake_tensorrt.write_engine(onnx, [PROFILE], cuda)
    session = TensorRTRuntime(device(cuda)).load(onnx)
    assert isinstance(session, Session)
    x = np.ones((1, 2, 4), np.float32)
    found = session.run({"x": x, "count": np.array([1], np.int32)})
    np.testing.assert_array_equal(np.asarray(found["y"])[0, 0], [2, 3, 4, 5])
    session.close()
    assert cuda.leaks() == []


def test_by_name_without_tensorrt_or_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = graphs.scale(tmp_path / "scale.onnx")

    def nothing() -> None:
        raise RuntimeUnavailableError("there is none here")

    monkeypatch.setattr(library, "load", nothing)
    with pytest.raises(RuntimeUnavailableError, match="there is none here"):
        select.load_artifact(onnx, "tensorrt")
    cuda = FakeCuda(fail_at=0, fail_code=100)
    monkeypatch.setattr(library, "load", lambda: fake_tensorrt.library(cuda))
    monkeypatch.setattr(libcudart, "load", lambda: cuda)
    with pytest.raises(RuntimeUnavailableError, match="there is no CUDA device"):
        select.load_artifact(onnx, "tensorrt")
    with pytest.raises(BundleError, match="is not built yet"):
        select.load_artifact(onnx, "tensorrt")


def test_other_artifacts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="executes jetson bundles"):
        TensorRTRuntime(device(FakeCuda())).load(tmp_path / "dit.mlpackage")
