"""The folder against mlx-lm: the same bytes, a strict load, and the same numbers when run."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.artifacts.mlx.packed import Quantized, dequantize
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from mobileo_export.converters.mlx.convert import convert

mx = pytest.importorskip("mlx.core")

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint
    from tests.converters.mlx.conftest import Rewrite

LLM = "language_model."
IDS = np.random.default_rng(5).integers(0, 500, (1, 24))


def mlx_lm(module: str) -> Any:
    """A module of mlx-lm: it imports transformers, so not while tests are collected."""
    return pytest.importorskip(f"mlx_lm.{module}")


def qwen2_config(checkpoint: Checkpoint) -> dict[str, Any]:
    llm = checkpoint.model.llm
    keys = (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "vocab_size", "rms_norm_eps", "rope_theta", "tie_word_embeddings",
    )  # fmt: skip
    config = {key: getattr(llm, key) for key in keys}
    return {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], **config}


def language_model_only(checkpoint: Checkpoint, folder: Path) -> Path:
    """The language model of ``checkpoint`` as a plain Qwen2 checkpoint, same bytes."""
    shutil.copytree(
        checkpoint.path, folder, ignore=shutil.ignore_patterns("diffusion", "*.safetensors")
    )
    (folder / "config.json").write_text(json.dumps(qwen2_config(checkpoint)))
    parts = ("model.embed_tokens.", "model.layers.", "model.norm.", "lm_head.")
    tensors = {n: t for n, t in checkpoint.top_level.items() if n.startswith(parts)}
    layout = {name: (info.dtype, info.shape) for name, info in tensors.items()}
    with SafetensorsWriter(folder / "model.safetensors", layout, {"format": "pt"}) as writer:
        for name, info in tensors.items():
            writer.write(name, safetensors_file.raw(info))
    return folder


def arrays(folder: Path, prefix: str = "") -> dict[str, np.ndarray]:
    found = safetensors_file.read_header(folder / "model.safetensors")
    return {
        name.removeprefix(prefix): np.array(safetensors_file.raw(info))
        for name, info in found.items()
        if name.startswith(prefix)
    }


def load(folder: Path, stripped: Path) -> Any:
    """Load the language model of our folder with mlx-lm's own loader, strictly."""
    stripped.mkdir()
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "qwen2"
    if "quantization" in config:
        entries = config["quantization"].items()
        config["quantization"] = {name.removeprefix(LLM): value for name, value in entries}
    (stripped / "config.json").write_text(json.dumps(config))
    tensors = {name: mx.array(values) for name, values in arrays(folder, LLM).items()}
    mx.save_safetensors(str(stripped / "model.safetensors"), tensors, {"format": "mlx"})
    model, _ = mlx_lm("utils").load_model(stripped, strict=True)
    return model


def run(model: Any) -> np.ndarray:
    return np.array(model(mx.array(IDS)).astype(mx.float32))


def by_transformers(checkpoint: Checkpoint, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Logits of transformers' own Qwen2 in float32 with these weights."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = qwen2_config(checkpoint)
    theta = config.pop("rope_theta")
    rope = {"rope_type": "default", "rope_theta": theta}
    model = transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(**config, rope_parameters=rope, attn_implementation="eager")
    )
    model.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    with torch.inference_mode():
        logits: np.ndarray = model.eval()(torch.from_numpy(IDS)).logits.numpy()
    return logits


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def predicate(group_size: int) -> Callable[[str, Any], Any]:
    """The exceptions of ``MIXED`` as mlx-lm takes them."""

    def choose(path: str, module: Any) -> Any:
        if path == "lm_head":
            return {"group_size": group_size, "bits": 8}
        return "o_proj" not in path

    return choose


MIXED = {"lm_head": 8, "model.layers.*.o_proj": 16}


@pytest.mark.parametrize(
    ("bits", "group_size", "exceptions"),
    [(8, 64, {}), (4, 64, {}), (8, 32, {}), (4, 128, {}), (4, 64, MIXED), (16, 64, {})],
)
def test_bytes_are_those_of_mlx_lm(
    checkpoint: Checkpoint, tmp_path: Path, bits: int, group_size: int, exceptions: dict[str, int]
) -> None:
    convert(checkpoint, tmp_path / "ours", bits=bits, group_size=group_size, exceptions=exceptions)
    mlx_lm("convert").convert(
        str(language_model_only(checkpoint, tmp_path / "qwen2")),
        str(tmp_path / "theirs"),
        quantize=bits != 16,
        q_bits=bits,
        q_group_size=group_size,
        dtype="float16",
        quant_predicate=predicate(group_size) if exceptions else None,
    )
    ours, theirs = arrays(tmp_path / "ours", LLM), arrays(tmp_path / "theirs")
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        assert ours[name].dtype == values.dtype, name
        assert ours[name].tobytes() == values.tobytes(), name


def test_an_input_that_groups_do_not_divide_is_what_mlx_lm_makes_of_it(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path
) -> None:
    inner = 352
    changes = {}
    for index in range(checkpoint.model.llm.num_hidden_layers):
        for part, cut in (
            ("gate", np.s_[:inner]),
            ("up", np.s_[:inner]),
            ("down", np.s_[:, :inner]),
        ):
            name = f"model.layers.{index}.mlp.{part}_proj.weight"
            values = safetensors_file.raw(checkpoint.info(name, "released"))
            changes[name] = ("BF16", np.ascontiguousarray(values[cut]))
    narrow = rewritten(changes)
    config = json.loads((narrow.path / "config.json").read_text())
    (narrow.path / "config.json").write_text(json.dumps({**config, "intermediate_size": inner}))
    narrow = type(narrow).open(narrow.path)
    result = convert(narrow, tmp_path / "ours")
    assert len(result.unquantized) == checkpoint.model.llm.num_hidden_layers
    mlx_lm("convert").convert(
        str(language_model_only(narrow, tmp_path / "qwen2")),
        str(tmp_path / "theirs"),
        quantize=True,
        q_bits=8,
        dtype="float16",
    )
    ours, theirs = arrays(tmp_path / "ours", LLM), arrays(tmp_path / "theirs")
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == values.tobytes() for name, values in theirs.items())
    assert np.isfinite(run(load(tmp_path / "ours", tmp_path / "stripped"))).all()


@pytest.mark.parametrize(
    ("bits", "exceptions", "error"), [(8, {}, 0.04), (4, MIXED, 0.5), (16, {}, 0.004)]
)
def test_loads_strictly_and_runs_as_transformers_does(
    checkpoint: Checkpoint,
    tmp_path: Path,
    bits: int,
    exceptions: dict[str, int],
    error: float,
) -> None:
    convert(checkpoint, tmp_path / "llm", bits=bits, exceptions=exceptions)
    model = load(tmp_path / "llm", tmp_path / "stripped")
    names = language_model_names(checkpoint)
    original = {name: checkpoint.read(name, "released") for name in names}
    assert relative_error(run(model), by_transformers(checkpoint, original)) < error

    stored = arrays(tmp_path / "llm", LLM)
    dequantized = {name: as_float32(stored, name, original[name].shape[-1]) for name in names}
    expected = by_transformers(checkpoint, dequantized)
    model.set_dtype(mx.float32)
    assert relative_error(run(model), expected) < 1e-5


def language_model_names(checkpoint: Checkpoint) -> list[str]:
    return [
        name
        for name in checkpoint.top_level
        if name.startswith(("model.embed_tokens.", "model.layers.", "model.norm.", "lm_head."))
    ]


def as_float32(stored: Mapping[str, np.ndarray], name: str, columns: int) -> np.ndarray:
    module = name.rpartition(".")[0]
    scales = stored.get(f"{module}.scales")
    if scales is None or not name.endswith(".weight"):
        return stored[name].astype(np.float32)
    bits = 32 * stored[name].shape[1] // columns
    matrix = Quantized(stored[name], scales, stored[f"{module}.biases"])
    return dequantize(matrix, bits, columns // scales.shape[1])


def test_a_tied_model_loads_without_a_head(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path
) -> None:
    tied = rewritten({"lm_head.weight": None})
    assert tied.config["tie_word_embeddings"] is False  # the tensors are believed, not the flag
    convert(tied, tmp_path / "llm")
    assert json.loads((tmp_path / "llm" / "config.json").read_text())["tie_word_embeddings"] is True
    assert not [name for name in arrays(tmp_path / "llm") if "lm_head" in name]
    model = load(tmp_path / "llm", tmp_path / "stripped")
    original = {name: tied.read(name, "released") for name in language_model_names(tied)}
    original["lm_head.weight"] = original["model.embed_tokens.weight"]
    assert relative_error(run(model), by_transformers(tied, original)) < 0.04


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("layer", [0, 2])
def test_the_projectors_layers_run_as_mlx_runs_them(
    checkpoint: Checkpoint, tmp_path: Path, bits: int, layer: int
) -> None:
    convert(checkpoint, tmp_path / "llm", bits=bits)
    stored = arrays(tmp_path / "llm", f"multi_modal_projector.linear_{layer}.")
    original = checkpoint.read(f"model.mm_projector.{layer}.weight", "released")
    assert set(stored) == {"weight", "scales", "biases", "bias"}
    features = np.random.default_rng(2).standard_normal((16, original.shape[1]), dtype=np.float32)
    matrix = Quantized(stored["weight"], stored["scales"], stored["biases"])
    wide = [mx.array(stored[name].astype(np.float32)) for name in ("scales", "biases")]
    by_mlx = np.array(
        mx.quantized_matmul(
            mx.array(features), mx.array(matrix.weight), *wide, True, group_size=64, bits=bits
        )
    )
    assert relative_error(by_mlx, features @ dequantize(matrix, bits, 64).T) < 1e-6
    assert relative_error(by_mlx, features @ original.T) < {4: 0.12, 8: 0.01}[bits]
    bias = checkpoint.read(f"model.mm_projector.{layer}.bias", "released")
    assert np.array_equal(stored["bias"], bias.astype(np.float16))
