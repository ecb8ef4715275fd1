"""The session over ONNX graphs: what it refuses, what it keeps, and what it reads from the disk."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.artifacts.onnx.folder import open_folder
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.runtimes.base import LanguageModelSession
from mobileo_export.runtimes.cached_decoder import (
    MASKED,
    CachedLanguageModelSession,
    causal_mask,
    past_mask,
)
from mobileo_export.runtimes.onnx.onnxruntime import OnnxRuntime
from mobileo_export.runtimes.torch_reference import TorchRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def session(tiny_jetson: Path) -> Iterator[CachedLanguageModelSession]:
    opened = OnnxRuntime().load(tiny_jetson / "llm")
    assert isinstance(opened, CachedLanguageModelSession)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


@pytest.fixture(scope="module")
def reference(checkpoint: Checkpoint) -> Any:
    return TorchRuntime().load_component(checkpoint, "llm", "released")


def error(found: Any, expected: Any) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def with_picture(checkpoint: Checkpoint, tokens: int) -> dict[str, Any]:
    model = checkpoint.model
    ids = COMPONENTS["llm"].example_inputs(model, T=11 + tokens)["input_ids"]
    ids[0, 5 : 5 + tokens] = tokenizer_files.special_ids(checkpoint.path).image_token_id
    shape = (1, model.vision.num_tokens, model.vision.feature_dim)
    features = np.random.default_rng(3).standard_normal(shape, dtype=np.float32)
    return {"input_ids": ids, "image_features": features}


@pytest.mark.parametrize("length", [1, 2, 77, 500])
def test_reads_as_torch_does(session: Any, reference: Any, length: int) -> None:
    ids = np.random.default_rng(length).integers(0, 500, (1, length), dtype=np.int32)
    found, expected = session.run({"input_ids": ids}), reference.run({"input_ids": ids})
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert error(found[name], values) < 1e-5, name


@pytest.mark.parametrize("tokens", [1, 16])
def test_splices_a_picture_and_goes_on(
    session: Any, reference: Any, checkpoint: Checkpoint, tokens: int
) -> None:
    inputs = with_picture(checkpoint, tokens)
    for found, expected in zip(session.prefill(**inputs), reference.prefill(**inputs), strict=True):
        assert error(found, expected) < 1e-5
    session.run({"input_ids": np.array([[1, 2, 3]], np.int32)})  # changes nothing
    for token in (7, 400):
        assert error(session.step(token), reference.step(token)) < 1e-5


def test_is_a_language_model(session: Any) -> None:
    assert isinstance(session, LanguageModelSession)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda s: s.run({}), "input_ids: input is missing"),
        (lambda s: s.run({"input_ids": np.array([[1]], np.int64)}), "expected int32"),
        (lambda s: s.run({"input_ids": np.array([[512]], np.int32)}), "holds 512"),
        (lambda s: s.run({"input_ids": np.array([[-1]], np.int32)}), "holds -1"),
        (lambda s: s.run({"input_ids": np.zeros((1, 1025), np.int32)}), "has shape"),
        (
            lambda s: s.prefill(np.array([[1]], np.int32), np.zeros((1, 16, 256), np.float32)),
            "holds 0 image tokens",
        ),
        (lambda s: s.step(1), "prefill a prompt first"),
    ],
)
def test_what_cannot_be_read_is_refused(
    tiny_jetson: Path, call: Callable[[Any], Any], reason: str
) -> None:
    opened = CachedLanguageModelSession(open_folder(tiny_jetson / "llm"), _Never())
    with pytest.raises(UsageError) as raised:
        call(opened)
    assert reason in str(raised.value)


def test_the_last_position_is_the_last(session: Any) -> None:
    session.prefill(np.ones((1, 1023), np.int32))
    session.step(5)
    with pytest.raises(UsageError, match="1025 positions, the language model has 1024"):
        session.step(5)


def test_a_session_beside_another_keeps_what_it_reads_to_itself(session: Any) -> None:
    ids = np.random.default_rng(1).integers(0, 500, (1, 9), dtype=np.int32)
    read = session.prefill(ids)
    other = session.beside()
    assert isinstance(other, LanguageModelSession)
    with pytest.raises(UsageError, match="prefill a prompt first"):
        other.step(1)
    other.prefill(ids[:, :4])
    other.step(3)
    following = session.step(5)
    other.prefill(ids)
    assert other.step(5).tobytes() == following.tobytes()
    other.close()
    again = session.prefill(ids)  # the engine is still there
    assert all(a.tobytes() == b.tobytes() for a, b in zip(read, again, strict=True))


def test_a_closed_session_is_closed(tiny_jetson: Path) -> None:
    engine = _Never()
    opened = CachedLanguageModelSession(open_folder(tiny_jetson / "llm"), engine)
    opened.close()
    opened.close()
    assert engine.closed == 1
    for call in (lambda: opened.step(1), lambda: opened.prefill(np.ones((1, 1), np.int32))):
        with pytest.raises(UsageError, match="closed"):
            call()


class _Never:
    """An engine that must not be asked."""

    closed = 0

    def run(self, name: str, arrays: Any) -> Any:
        raise AssertionError(name)

    def close(self) -> None:
        self.closed += 1


def test_masks() -> None:
    assert causal_mask(1).tolist() == [[[[0.0]]]]
    assert (causal_mask(3)[0, 0] == [[0, MASKED, MASKED], [0, 0, MASKED], [0, 0, 0]]).all()
    assert past_mask(2, 4).tolist() == [[[[0, 0, MASKED, MASKED]]]]
    assert np.float16(MASKED) == MASKED


@pytest.fixture
def damaged(tiny_jetson: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_jetson, tmp_path / "bundle")


def edit_manifest(bundle: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads((bundle / manifest.MANIFEST).read_text())
    change(content["components"]["llm"]["artifacts"][0])
    (bundle / manifest.MANIFEST).write_text(json.dumps(content))


def without_graphs(artifact: dict[str, Any]) -> None:
    artifact["graphs"] = []


def without_projector(artifact: dict[str, Any]) -> None:
    del artifact["graphs"][0]


def without_past(artifact: dict[str, Any]) -> None:
    inputs = artifact["graphs"][1]["inputs"]
    inputs[:] = [tensor for tensor in inputs if tensor["name"] != "past_keys"]


def fixed_past(artifact: dict[str, Any]) -> None:
    for tensor in artifact["graphs"][1]["inputs"]:
        if tensor["name"] == "past_keys":
            tensor["shape"] = [4, 2]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_graphs, "lists no ONNX graphs"),
        (without_projector, "no projector or no decoder"),
        (without_past, "takes no past_keys"),
        (fixed_past, "past_keys"),
    ],
)
def test_a_manifest_that_lacks_something(
    damaged: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    edit_manifest(damaged, change)
    with pytest.raises(BundleError, match=reason):
        open_folder(damaged / "llm")


@pytest.mark.parametrize("name", ["llm.onnx", "embed_tokens.safetensors", "tokenizer_config.json"])
def test_a_file_that_is_missing(damaged: Path, name: str) -> None:
    (damaged / "llm" / name).unlink()
    with pytest.raises(BundleError, match=name):
        open_folder(damaged / "llm")


def test_a_table_of_another_model(damaged: Path) -> None:
    from safetensors.numpy import save_file

    table = damaged / "llm" / "embed_tokens.safetensors"
    save_file({"embed_tokens.weight": np.zeros((512, 64), np.float32)}, table)
    with pytest.raises(BundleError, match="takes rows of 128"):
        open_folder(damaged / "llm")
    save_file({"embed_tokens.weight": np.zeros((512, 128), np.int32)}, table)
    with pytest.raises(BundleError, match="holds no float tensor"):
        open_folder(damaged / "llm")


def test_rows_are_widened_exactly(tiny_jetson: Path, checkpoint: Checkpoint) -> None:
    ids = np.array([[0, 511, 3, 3]], np.int32)
    table = checkpoint.read("model.embed_tokens.weight", "released")
    found = open_folder(tiny_jetson / "llm").embed(ids)
    assert np.array_equal(found[0], table[ids[0]])
