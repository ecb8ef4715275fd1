"""The configuration has what Apple's FastVLM app decodes, and nothing that it trips over."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.artifacts.mlx.plan import plan
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.converters.mlx import config
from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path


def build(checkpoint: Checkpoint, **changes: int) -> dict[str, Any]:
    tokens = replace(tokenizer_files.special_ids(checkpoint.path), **changes)
    return config.model_config(checkpoint, plan(checkpoint.model), tokens)


def test_has_what_the_app_decodes_from_the_root(checkpoint: Checkpoint) -> None:
    content, llm = build(checkpoint), checkpoint.model.llm
    integers = (
        "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads",
        "num_key_value_heads", "vocab_size", "max_position_embeddings",
    )  # fmt: skip
    assert {key: content[key] for key in integers} == {key: getattr(llm, key) for key in integers}
    assert content["model_type"] == "llava_qwen2"
    assert content["mm_hidden_size"] == checkpoint.model.vision.feature_dim
    assert content["rope_theta"] == 1e6
    assert content["rms_norm_eps"] == 1e-6
    assert content["tie_word_embeddings"] is False
    assert content["quantization"] == {"group_size": 64, "bits": 8}
    assert "rope_scaling" not in content  # without mrope_section the app aborts


def test_token_ids_come_from_the_tokenizer(checkpoint: Checkpoint) -> None:
    content = build(checkpoint)
    added = json.loads((checkpoint.path / "added_tokens.json").read_text())
    assert content["image_token_index"] == added["<image>"]
    ends = [added["<|endoftext|>"], added["<|im_end|>"]]  # as generation_config.json lists them
    assert content["eos_token_id"] == ends
    assert build(checkpoint, eos_token_id=7)["eos_token_id"] == [7, *ends]


def test_refuses_a_tokenizer_larger_than_the_table(checkpoint: Checkpoint) -> None:
    rows = checkpoint.model.llm.vocab_size
    with pytest.raises(CheckpointError, match=f"token with id {rows}, .* table {rows} rows"):
        build(checkpoint, image_token_id=rows)


def test_finds_the_rotary_base_where_newer_transformers_puts_it(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    source = json.loads((folder / "config.json").read_text())
    del source["rope_theta"]
    source["rope_parameters"] = {"rope_type": "default", "rope_theta": 12345.0}
    (folder / "config.json").write_text(json.dumps(source))
    content = build(Checkpoint.open(folder))
    assert content["rope_theta"] == 12345.0
    assert "rope_parameters" not in content


def test_the_preprocessor_only_scales_a_picture_of_the_right_size(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    content = config.preprocessor_config(checkpoint.model)
    assert content["processor_class"] == "LlavaProcessor"
    (tmp_path / config.PREPROCESSOR).write_text(json.dumps(content))
    processor = transformers.CLIPImageProcessor.from_pretrained(tmp_path)
    size = checkpoint.model.vision.image_size
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    pixels = np.asarray(processor(image, return_tensors="np")["pixel_values"][0])
    assert pixels.shape == (3, size, size)
    assert np.abs(pixels - image.transpose(2, 0, 1) / 255).max() < 1e-6
