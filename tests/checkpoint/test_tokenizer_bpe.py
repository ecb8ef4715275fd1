"""A tokenizer.json made of the slow files is the one that was saved beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mobileo_export.checkpoint import tokenizer_bpe, tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.tokenizer_bpe import AddedToken
from mobileo_export.converters.mlx.convert import convert
from mobileo_export.errors import CheckpointError


def test_it_is_rebuilt_to_the_byte(tiny_copy: Path) -> None:
    saved = tiny_copy / "tokenizer.json"
    expected = saved.read_text(encoding="utf-8")
    saved.unlink()
    added = tokenizer_files.added_tokens(tiny_copy)
    assert tokenizer_bpe.from_slow_files(tiny_copy, added) == expected


def test_an_export_without_it_has_it(tiny_copy: Path, tmp_path: Path) -> None:
    expected = (tiny_copy / "tokenizer.json").read_bytes()
    (tiny_copy / "tokenizer.json").unlink()
    result = convert(Checkpoint.open(tiny_copy), tmp_path / "llm")
    assert "tokenizer.json" in result.files
    assert (tmp_path / "llm" / "tokenizer.json").read_bytes() == expected


def test_transformers_agrees(tiny_copy: Path) -> None:
    from transformers import AutoTokenizer

    text = "<|im_start|>user\n<image>\nWhat's in it? 1,024 … naïve 猫🐈\n\n  end<|im_end|>"
    (tiny_copy / "tokenizer.json").unlink()
    slow = AutoTokenizer.from_pretrained(tiny_copy)(text)["input_ids"]
    added = tokenizer_files.added_tokens(tiny_copy)
    (tiny_copy / "tokenizer.json").write_text(tokenizer_bpe.from_slow_files(tiny_copy, added))
    from tokenizers import Tokenizer

    fast = Tokenizer.from_file(str(tiny_copy / "tokenizer.json")).encode(text)
    assert fast.ids == slow


@pytest.mark.parametrize("merges", ["#version: 0.2\nno-pair\n", "#version: 0.2\nzz qq\n"])
def test_damaged_merges_are_one_line(tiny_copy: Path, merges: str) -> None:
    (tiny_copy / "merges.txt").write_text(merges)
    with pytest.raises(CheckpointError, match="no byte-level BPE") as caught:
        tokenizer_bpe.from_slow_files(tiny_copy, {})
    assert "\n" not in str(caught.value)


def test_tokens_that_do_not_follow_the_vocabulary_are_refused(tiny_copy: Path) -> None:
    size = len(json.loads((tiny_copy / "vocab.json").read_text()))
    with pytest.raises(CheckpointError, match="does not follow the vocabulary"):
        tokenizer_bpe.from_slow_files(tiny_copy, {"<image>": AddedToken("<image>", size + 7)})
