"""Folders that are damaged or lie about themselves: one line, before anything is executed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.artifacts.mlx.folder import open_folder
from mobileo_export.errors import BundleError
from mobileo_export.runtimes.mlx.dequantized import MLXDequantizedRuntime

from ..surgery import configure, load, save

if TYPE_CHECKING:
    from pathlib import Path

QUERY = "language_model.model.layers.0.self_attn.q_proj"


def refused(bundle: Path, expected: str) -> None:
    with pytest.raises(BundleError) as caught:
        MLXDequantizedRuntime().load(bundle / "llm")
    message = str(caught.value)
    assert expected in message
    assert len(message.splitlines()) == 1
    assert str(bundle) in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"hidden_size": 256}, "asks for"),
        ({"hidden_size": "128"}, "hidden_size is '128'"),
        ({"num_hidden_layers": 1 << 30}, "num_hidden_layers 1073741824"),
        ({"num_attention_heads": 7}, "do not divide"),
        ({"num_key_value_heads": 0}, "num_key_value_heads is 0"),
        ({"vocab_size": ...}, "vocab_size is None"),
        ({"rms_norm_eps": 1e-5}, "says rms_norm_eps 1e-05, manifest.json 1e-06"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps is nan"),
        ({"rope_theta": 10000.0}, "rope_theta 10000.0"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings is 'no'"),
        ({"tie_word_embeddings": True}, "lm_head"),
        ({"image_token_index": 3}, "image_token_index 3"),
        ({"mm_hidden_size": 64}, "asks for"),
        ({"quantization": {"bits": 3, "group_size": 64}}, "quantization is"),
        ({"quantization": {"bits": 4, "group_size": 64}}, "asks for"),
        ({"quantization": ...}, "asks for F16"),
        ({"quantization": []}, "quantization is no object"),
        ({"quantization": {"bits": 8, "group_size": 64, QUERY: False}}, QUERY),
        ({"quantization": {"bits": 8, "group_size": 64, "x": False}}, "quantization of x"),
        ({"rope_scaling": {"type": "yarn"}}, "not a Qwen2"),
    ],
)
def test_a_configuration_that_lies(copied: Path, changes: dict[str, Any], expected: str) -> None:
    configure(copied / "llm", changes)
    refused(copied, expected)


def test_damaged_and_missing_files(copied: Path) -> None:
    folder = copied / "llm"
    weights = folder / "model.safetensors"
    for name, expected in (("tokenizer_config.json", "tokenizer_config.json"),
                           ("config.json", "cannot be read")):  # fmt: skip
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        refused(copied, expected)
        (folder / name).write_bytes(content)
    (folder / "config.json").write_text("[]")
    refused(copied, "holds no JSON object")
    (folder / "config.json").write_bytes(content)
    for size in (1000, 4, 0):
        os.truncate(weights, size)
        refused(copied, "not a readable safetensors file")


def test_tensors_that_are_not_what_the_configuration_says(copied: Path) -> None:
    path = copied / "llm" / "model.safetensors"
    tensors = load(path)

    def with_(name: str, entry: Any) -> None:
        changed = {**tensors, name: entry}
        save(path, {key: value for key, value in changed.items() if value is not None})

    with_(f"{QUERY}.scales", None)
    refused(copied, f"tensor {QUERY}.scales is missing")
    with_(f"{QUERY}.bias", None)
    refused(copied, f"tensor {QUERY}.bias is missing")
    with_("virus", ("F16", np.zeros(3, np.float16)))
    refused(copied, "tensor virus is unexpected")
    with_(f"{QUERY}.weight", ("U32", np.zeros((4, 4), np.uint32)))
    refused(copied, f"tensor {QUERY}.weight is U32 [4, 4]")
    scales = tensors[f"{QUERY}.scales"][1].copy()
    scales[2, 0] = np.nan
    with_(f"{QUERY}.scales", ("F16", scales))
    refused(copied, f"tensor {QUERY}.scales holds NaN or infinity")


def test_a_folder_belongs_to_a_bundle(copied: Path) -> None:
    manifest = copied / "manifest.json"
    content = json.loads(manifest.read_text())
    assert open_folder(copied / "llm").num_layers == content["recipe"]["hidden_states"]
    content["components"]["llm"]["outputs"].reverse()
    manifest.write_text(json.dumps(content))
    refused(copied, "the signature of the llm")
    manifest.unlink()
    refused(copied, "not a bundle")
