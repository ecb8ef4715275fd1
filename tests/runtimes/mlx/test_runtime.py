"""MLX and its numbers in torch: the same interface, the same numbers, as the checkpoint's own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import RuntimeUnavailableError, UsageError
from mobileo_export.runtimes.base import LanguageModelSession
from mobileo_export.runtimes.mlx.dequantized import MLXDequantizedRuntime
from mobileo_export.runtimes.mlx.runtime import MLXRuntime
from mobileo_export.runtimes.torch_reference import TorchRuntime

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runtimes.conftest import Build

pytest.importorskip("mlx.core")
RUNTIMES: dict[str, Any] = {
    "mlx": MLXRuntime,
    "mlx float32": lambda: MLXRuntime("float32"),
    "mlx-dequantized": MLXDequantizedRuntime,
}
BOUNDS = {  # of the checkpoint's own outputs, by bits
    16: {"mlx": 0.01, "mlx float32": 1e-5, "mlx-dequantized": 1e-5},
    8: dict.fromkeys(RUNTIMES, 0.05),
    4: dict.fromkeys(RUNTIMES, 0.7),
}


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


def edit_inputs(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """A prompt with an image token in it, and features."""
    model = checkpoint.model
    ids = COMPONENTS["llm"].example_inputs(model, T=12)["input_ids"]
    ids[0, 5] = tokenizer_files.special_ids(checkpoint.path).image_token_id
    shape = (1, model.vision.num_tokens, model.vision.feature_dim)
    features = np.random.default_rng(3).standard_normal(shape, dtype=np.float32)
    return {"input_ids": ids, "image_features": features}


def error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("bits", BOUNDS)
def test_runs_as_the_checkpoint_does(
    checkpoint: Checkpoint, llm_bundle: Build, runtime: str, bits: int
) -> None:
    session = RUNTIMES[runtime]().load(llm_bundle(bits) / "llm")
    assert isinstance(session, LanguageModelSession)
    reference = TorchRuntime().load_component(checkpoint, "llm", "released")
    inputs = edit_inputs(checkpoint)
    for given in ({"input_ids": inputs["input_ids"]}, inputs):
        expected = reference.run(given)
        found = session.run(given)
        assert list(found) == list(expected)
        for name, values in found.items():
            assert values.dtype == np.float32
            assert values.shape == expected[name].shape
            assert error(values, expected[name]) < BOUNDS[bits][runtime]


@pytest.mark.parametrize("bits", BOUNDS)
def test_mlx_in_float32_agrees_with_torch_on_the_same_numbers(
    checkpoint: Checkpoint, llm_bundle: Build, bits: int
) -> None:
    path, inputs = llm_bundle(bits) / "llm", edit_inputs(checkpoint)
    expected = MLXDequantizedRuntime().load(path).run(inputs)
    found = MLXRuntime("float32").load(path).run(inputs)
    assert all(error(found[name], expected[name]) < 1e-5 for name in expected)


@pytest.mark.parametrize(("runtime", "tolerance"), [("mlx", 0.02), ("mlx-dequantized", 1e-5)])
def test_generating_is_reading_token_by_token(
    checkpoint: Checkpoint, llm_bundle: Build, runtime: str, tolerance: float
) -> None:
    session = RUNTIMES[runtime]().load(llm_bundle(8) / "llm")
    inputs = edit_inputs(checkpoint)
    ids, features = inputs["input_ids"], inputs["image_features"]
    with pytest.raises(UsageError, match="prefill a prompt first"):
        session.step(3)
    stacked, logits = session.prefill(ids[:, :9], features)
    whole = session.run({"input_ids": ids[:, :9], "image_features": features})
    assert np.array_equal(stacked, whole["stacked_hidden_states"])
    assert np.array_equal(logits, whole["logits"])
    for position in (9, 10, 11):
        session.run({"input_ids": ids[:, :2]})  # leaves what was read alone
        logits = session.step(int(ids[0, position]))
    assert error(logits, session.run(inputs)["logits"]) < tolerance
    again = session.prefill(ids[:, :3])[1]  # forgets
    assert error(again, session.run({"input_ids": ids[:, :3]})["logits"]) < tolerance
    for bad in (-1, 10**6, 1 << 40, True, "a"):
        with pytest.raises(UsageError):
            session.step(bad)
    session.close()
    with pytest.raises((UsageError, ValueError), match="closed"):
        session.step(1)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_does_not_fit_is_refused(
    checkpoint: Checkpoint, llm_bundle: Build, runtime: str
) -> None:
    session = RUNTIMES[runtime]().load(llm_bundle(8) / "llm")
    inputs = edit_inputs(checkpoint)
    ids, features = inputs["input_ids"], inputs["image_features"]
    rows = checkpoint.model.llm.vocab_size
    for wrong, message in (
        ({"input_ids": np.full((1, 9), rows, np.int32)}, "the vocabulary has ids 0 to"),
        ({"input_ids": ids.astype(np.int64)}, "has dtype int64"),
        ({"input_ids": ids[:, :4], "image_features": features}, "holds 0 image tokens"),
        ({"input_ids": ids, "image_features": features[:, :3]}, "image_features: has shape"),
        ({}, "input_ids: input is missing"),
    ):
        with pytest.raises(UsageError, match=message):
            session.run(wrong)
    with pytest.raises(UsageError, match="the vocabulary has ids"):
        session.prefill(np.full((1, 9), rows, np.int32))


def test_mlx_needs_no_torch(llm_bundle: Build) -> None:
    code = (
        "import sys, numpy as np\n"
        "from mobileo_export.components import COMPONENTS\n"
        "from mobileo_export.runtimes.select import open_session\n"
        "session = open_session(sys.argv[1], COMPONENTS['llm'], 'mlx')\n"
        "session.prefill(np.ones((1, 9), np.int32))\n"
        "session.step(3)\n"
        "print([m for m in ('torch', 'transformers', 'coremltools') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(llm_bundle(8))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_engine_is_said(llm_bundle: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mobileo_export.runtimes.mlx.model", raising=False)
    monkeypatch.delattr("mobileo_export.runtimes.mlx.model", raising=False)
    monkeypatch.setitem(sys.modules, "mlx.core", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install '\.\[mlx\]'"):
        MLXRuntime().load(llm_bundle(8) / "llm")


def test_quantized_products_are_summed_in_float32() -> None:
    """As on a phone: no more is lost than by rounding the results to half."""
    import mlx.core as mx

    from mobileo_export.runtimes.mlx.layers import Matrix

    random = np.random.default_rng(0)
    weights, x = random.standard_normal((64, 4864)) / 70, random.standard_normal((4, 4864))
    matrix, scales, biases = mx.quantize(mx.array(weights.astype(np.float16)), 64, 8)
    x = x.astype(np.float16)
    found = Matrix(matrix, None, scales, biases, bits=8, group_size=64)(mx.array(x))
    assert found.dtype == mx.float16
    wide = scales.astype(mx.float32), biases.astype(mx.float32)
    rows = np.array(mx.dequantize(matrix, *wide, 64, 8), np.float64)
    exact = x.astype(np.float64) @ rows.T
    rounded = error(exact.astype(np.float16), exact)
    assert error(np.array(found), exact) < 1.2 * rounded
