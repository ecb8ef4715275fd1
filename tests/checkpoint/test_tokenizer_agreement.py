"""Tokenizer files that have to say the same, tokens that were added, and what is sealed of them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.converters.mlx.convert import convert
from mobileo_export.errors import CheckpointError
from mobileo_export.pipelines.tokens import Tokenizer
from tests import surgery
from tests.checkpoint.prompts import OTHER_PARTS, ids, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Command


# --- files that disagree


def test_a_vocabulary_of_another_tokenizer_is_refused(folder: Path) -> None:
    words = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    one, other = list(words)[-2:]
    surgery.configure(folder, {one: words[other], other: words[one]}, "vocab.json")
    with pytest.raises(CheckpointError) as caught:
        tokenizer_files.check(folder)
    assert (
        f"vocab.json: the token {one!r} has id {words[other]}, but in tokenizer.json it has id "
        in (str(caught.value))
    )
    surgery.configure(folder, {one: ...}, "vocab.json")
    with pytest.raises(CheckpointError, match=r"vocab\.json: the token .* is absent, but in"):
        tokenizer_files.check(folder)


@pytest.mark.parametrize("change", ["swapped", "short", "long"])
def test_merges_of_another_tokenizer_are_refused(folder: Path, change: str) -> None:
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    if change == "swapped":
        lines[3], lines[4] = lines[4], lines[3]
    lines = lines[:-1] if change == "short" else [*lines, "a a"] if change == "long" else lines
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"merges\.txt: merge \d+ is .* in tokenizer\.json"):
        tokenizer_files.check(folder)


def test_a_byte_without_a_token_is_refused(folder: Path) -> None:
    """The library leaves such a byte out of every text, without a word."""
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    words = content["model"]["vocab"]
    words["no byte"] = words.pop("Ä")
    put(folder, "model.vocab", words)
    with pytest.raises(CheckpointError, match="no token for the byte 0xc4"):
        Tokenizer(folder).encode_text("Ä")


def test_an_id_that_the_library_would_not_give_is_refused(folder: Path) -> None:
    """The library counts added tokens on from the vocabulary, whatever ids the file says."""
    for name in ("added_tokens.json", "tokenizer_config.json"):
        surgery.configure(folder, {"<image>": ..., "added_tokens_decoder": ...}, name)
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["added_tokens"][-1]["id"] = 600
    put(folder, "added_tokens", content["added_tokens"])
    with pytest.raises(CheckpointError, match="'<image>' has id 600, which does not follow"):
        tokenizer_files.check(folder)


def test_two_tokens_of_one_id_are_refused(folder: Path) -> None:
    surgery.configure(folder, {"[other]": 509}, "added_tokens.json")
    with pytest.raises(CheckpointError, match=r"'\[IMG\]' and '\[other\]' share an id, 509"):
        tokenizer_files.special_ids(folder)


# --- added tokens that are words


def word(folder: Path, **flags: bool) -> None:
    """Add a token that is no special one, as ``tokenizer.add_tokens(["<sks>"])`` does."""
    off = dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized", "special"), False)
    entry = {"content": "<sks>", **off, **flags}
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    put(folder, "added_tokens", [*content["added_tokens"], {"id": 512, **entry}])
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    decoder = {**config["added_tokens_decoder"], "512": entry}
    surgery.configure(folder, {"added_tokens_decoder": decoder}, "tokenizer_config.json")


@pytest.mark.parametrize(
    "flags", [{}, {"normalized": True}, {"single_word": True}, {"lstrip": True}]
)
def test_a_word_that_was_added_is_a_word_to_the_user(folder: Path, flags: dict[str, bool]) -> None:
    pytest.importorskip("transformers")
    from transformers import AutoTokenizer

    word(folder, **flags)
    library = AutoTokenizer.from_pretrained(str(folder))
    ours = Tokenizer(folder)
    for text in ("a photo of a <sks> dog", "x<sks>y <image> <|im_end|>"):
        found = ours.encode_text(text)
        assert found == library(text, split_special_tokens=True)["input_ids"]
        assert ours.decode(found) == library.decode(found, skip_special_tokens=True)
    assert 512 in ours.encode_text("a photo of a <sks> dog")


def test_the_slow_files_give_the_same_words(folder: Path) -> None:
    word(folder)
    fast = tokenizer_files.fast_content(folder)
    (folder / "tokenizer.json").unlink()
    assert tokenizer_files.fast_content(folder) == fast


def test_a_prompts_token_is_special_whatever_its_flag_says(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    put(folder, "added_tokens", [{**entry, "special": False} for entry in content["added_tokens"]])
    surgery.configure(folder, {"added_tokens_decoder": ...}, "tokenizer_config.json")
    assert 508 not in Tokenizer(folder).encode_text("<|im_end|>")


def test_a_token_that_the_model_does_not_know_is_refused(tiny_copy: Path, command: Command) -> None:
    assert tokenizer_files.check(tiny_copy, 512) == ()
    word(tiny_copy)
    tokenizer_files.check(tiny_copy, 513)
    for arguments in (["export"], ["generate", "a <sks> dog"]):
        shown = command(arguments[0], tiny_copy, *arguments[1:], "-o", tiny_copy.parent / "x.png")
        assert shown.code == 2
        assert "has tokens up to id 512, the embedding table 512 rows" in shown.error()


# --- what is sealed


def test_stored_padding_and_truncation_stay_out_of_prompts_and_bundles(
    tiny_copy: Path, tmp_path: Path
) -> None:
    from tokenizers import Tokenizer as Library

    from mobileo_export.checkpoint.folder import Checkpoint

    clean = ids(tiny_copy)
    convert(Checkpoint.open(tiny_copy), tmp_path / "clean")
    shutil.copyfile(tiny_copy / "tokenizer.json", tmp_path / "before.json")
    for name in ("padding", "truncation"):
        put(tiny_copy, name, OTHER_PARTS[name])
    assert ids(tiny_copy) == clean
    convert(Checkpoint.open(tiny_copy), tmp_path / "llm")
    convert(Checkpoint.open(tiny_copy), tmp_path / "again")
    written = (tmp_path / "llm" / "tokenizer.json").read_bytes()
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == written
    assert ids(tmp_path / "llm") == clean
    library = Library.from_str(written.decode())
    assert (library.padding, library.truncation) == (None, None)
    # A clean file is copied to the byte.
    copied = (tmp_path / "clean" / "tokenizer.json").read_bytes()
    assert copied == (tmp_path / "before.json").read_bytes()


def test_the_bundle_has_every_added_token(tiny_copy: Path, tmp_path: Path) -> None:
    """Apps read tokenizer.json alone."""
    from tokenizers import Tokenizer as Library

    clean = ids(tiny_copy)
    put(tiny_copy, "added_tokens", [])
    (tmp_path / "llm").mkdir()
    tokenizer_files.copy(tiny_copy, tmp_path / "llm")
    assert Library.from_file(str(tmp_path / "llm" / "tokenizer.json")).token_to_id("<image>") == 511
    assert ids(tmp_path / "llm") == clean
