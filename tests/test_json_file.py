"""JSON files as editors leave them: what is wrong is said in words of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mobileo_export import json_file
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.errors import CheckpointError
from mobileo_export.evaluation import geneval

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [
        ("utf-8-sig", "begins with a byte-order mark; save it as UTF-8 without one"),
        ("utf-16", "is UTF-16; save it as UTF-8"),
        ("latin-1", "not UTF-8: byte 0xe4 at 7"),
    ],
)
def test_another_encoding_is_named(tmp_path: Path, encoding: str, reason: str) -> None:
    path = tmp_path / "document.json"
    path.write_text('{"a": "ä"}', encoding=encoding)
    with pytest.raises(ValueError, match=reason) as caught:
        json_file.load(path)
    assert str(caught.value) == reason


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (b" \n", "is blank")])
def test_nothing_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "document.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        json_file.load(path)


@pytest.mark.parametrize(
    "name",
    ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "added_tokens.json"],
)
def test_every_file_of_a_checkpoint_says_it(tiny_copy: Path, name: str) -> None:
    """Transformers refuses them too, and would refuse the copies in a bundle."""
    path = tiny_copy / name
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    with pytest.raises(CheckpointError) as caught:
        tokenizer_files.check(Checkpoint.open(tiny_copy).path)
    assert f"{name}: cannot be read as JSON (begins with a byte-order mark" in str(caught.value)


def test_a_list_of_prompts_may_begin_with_a_mark(tmp_path: Path) -> None:
    """It is read here and copied nowhere."""
    path = tmp_path / "evaluation_metadata.jsonl"
    line = json.dumps({"prompt": "a cat\u2028and a dog"}, ensure_ascii=False)
    path.write_text(line + "\n", encoding="utf-8-sig")
    assert [prompt.text for prompt in geneval.read(path)] == ["a cat\u2028and a dog"]
