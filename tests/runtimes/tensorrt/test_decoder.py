"""The decoder in (fake) device memory beside the one in NumPy arrays, call by call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from mobileo_export.artifacts.engine import stamp
from mobileo_export.artifacts.onnx.folder import OnnxLanguageModel
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.runtimes.cached_decoder import CachedLanguageModelSession
from mobileo_export.runtimes.tensorrt.cuda_errors import CudaError
from mobileo_export.runtimes.tensorrt.runtime import Device, Engines

from . import decoder_graph, fake_tensorrt
from .fake_cuda import FakeCuda

FEATURES = np.random.default_rng(3).standard_normal((1, 2, decoder_graph.FEATURES)).astype("f4")


class OnnxEngine:
    """The graphs through ONNX Runtime: the engine that ``HostDecoder`` asks for."""

    def __init__(self, model: OnnxLanguageModel) -> None:
        self._sessions = {
            name: onnxruntime.InferenceSession(str(path)) for name, path in model.graphs.items()
        }

    def run(self, name: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
        session = self._sessions[name]
        names = [value.name for value in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(arrays)), strict=True))

    def close(self) -> None:
        pass


def build(model: OnnxLanguageModel, cuda: FakeCuda) -> None:
    projector = {"image_features": ((1, 2, 6),) * 3}
    for name, path in model.graphs.items():
        if name == "projector":
            fake_tensorrt.write_engine(path, [projector], cuda)
        else:
            prefill, decode = decoder_graph.profiles()
            options = {"profiles": [{"name": "prefill"}, {"name": "decode"}]}
            fake_tensorrt.write_engine(path, [prefill, decode], cuda, options=options)


def sessions(
    folder: Path, cuda: FakeCuda, parts: int = 2, dtype: int = TensorProto.FLOAT
) -> tuple[CachedLanguageModelSession, CachedLanguageModelSession]:
    """On the device, and on the host."""
    model = decoder_graph.model(folder, parts, dtype)
    build(model, cuda)
    engines = Engines(model, Device(fake_tensorrt.library(cuda), cuda))
    return (
        CachedLanguageModelSession(model, engines, engines.decoder),
        CachedLanguageModelSession(model, OnnxEngine(model)),
    )


def ids(*values: int) -> np.ndarray:
    return np.array([values], np.int32)


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.FLOAT16])
@pytest.mark.parametrize("parts", [1, 2])
def test_conversations_equal_the_host_decoders(tmp_path: Path, parts: int, dtype: int) -> None:
    cuda = FakeCuda()
    device, host = sessions(tmp_path / "b" / "llm", cuda, parts, dtype)
    for prompt, features in (
        (ids(3, 1, 4, 1, 5), None),
        (ids(2), None),
        (ids(7, decoder_graph.IMAGE_TOKEN, 8), FEATURES),
        (ids(*range(10)), None),
    ):
        for found, expected in zip(
            device.prefill(prompt, features), host.prefill(prompt, features), strict=True
        ):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected)
        room = decoder_graph.CONTEXT - prompt.shape[1] - (1 if features is not None else 0)
        for token in range(room):
            np.testing.assert_array_equal(device.step(token), host.step(token))
        with pytest.raises(UsageError, match="positions"):
            device.step(0)
    assert cuda.calls.count("launch") >= 3 * parts  # decoding runs as graphs
    device.close()
    device.close()
    assert cuda.leaks() == []


def test_a_stateless_run_leaves_the_conversation_alone_and_no_memory_behind(
    tmp_path: Path,
) -> None:
    cuda = FakeCuda()
    device, host = sessions(tmp_path / "b" / "llm", cuda)
    device.prefill(ids(3, 1, 4))
    host.prefill(ids(3, 1, 4))
    used = cuda.in_use()
    for _ in range(3):
        found = device.run({"input_ids": ids(9, 9)})
        expected: dict[str, Any] = host.run({"input_ids": ids(9, 9)})
        for name, value in found.items():
            np.testing.assert_array_equal(value, expected[name])
        assert cuda.in_use() == used
    np.testing.assert_array_equal(device.step(5), host.step(5))
    device.close()
    assert cuda.leaks() == []


def test_every_call_can_fail_and_nothing_leaks(tmp_path: Path) -> None:
    model = decoder_graph.model(tmp_path / "b" / "llm", parts=1)
    counted = FakeCuda()
    build(model, counted)

    def talk(cuda: FakeCuda, opened: list[CachedLanguageModelSession]) -> None:
        engines = Engines(model, Device(fake_tensorrt.library(cuda), cuda))
        opened.append(CachedLanguageModelSession(model, engines, engines.decoder))
        opened[0].prefill(ids(7, decoder_graph.IMAGE_TOKEN), FEATURES)
        for token in range(3):
            opened[0].step(token)

    opened: list[CachedLanguageModelSession] = []
    talk(counted, opened)
    total = len(counted.calls)
    for call in range(total):
        cuda = FakeCuda(fail_at=call)
        opened = []
        with pytest.raises(CudaError, match="out of memory"):
            talk(cuda, opened)
        for session in opened:
            session.close()
        assert cuda.leaks() == [], f"call {call}: {cuda.calls[-1]}"


def test_an_engine_without_the_two_profiles_is_refused(tmp_path: Path) -> None:
    cuda = FakeCuda()
    model = decoder_graph.model(tmp_path / "b" / "llm", parts=1)
    build(model, cuda)
    prefill, _ = decoder_graph.profiles()
    fake_tensorrt.write_engine(
        model.graphs["llm_0"], [prefill], cuda, options={"profiles": [{"name": "prefill"}]}
    )
    engines = Engines(model, Device(fake_tensorrt.library(cuda), cuda))
    session = CachedLanguageModelSession(model, engines, engines.decoder)
    with pytest.raises(BundleError, match="llm_0: its engine has no profile decode; build it"):
        session.prefill(ids(1))
    session.close()
    assert cuda.leaks() == []


def test_one_wrong_engine_closes_the_others(tmp_path: Path) -> None:
    cuda = FakeCuda()
    model = decoder_graph.model(tmp_path / "b" / "llm", parts=2)
    build(model, cuda)
    stamp.place(model.graphs["llm_1"]).engine.unlink()
    with pytest.raises(BundleError, match=r"llm_1.engine: is not built yet"):
        Engines(model, Device(fake_tensorrt.library(cuda), cuda))
    assert cuda.leaks() == []
