"""Tokenizer files: what is needed, what the ids are, and what damage is noticed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.tokenizer_files import SpecialTokens
from mobileo_export.errors import CheckpointError
from mobileo_export.random_checkpoint import tokenizer
from tests import surgery

if TYPE_CHECKING:
    from pathlib import Path

IDS = SpecialTokens(
    image_token_id=511, im_start_id=507, im_end_id=508, eos_token_id=508, pad_token_id=506
)
FILES = (
    "tokenizer_config.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "generation_config.json",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the tiny tokenizer and nothing else."""
    tokenizer.write_small(tmp_path, 512)
    return tmp_path


def remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


def names(paths: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(path.name for path in paths)


# --- which files


def test_all_files_are_listed_the_required_first(folder: Path) -> None:
    assert names(tokenizer_files.require(folder)) == FILES
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "README.md").write_text("not a tokenizer file")
    assert set(names(tokenizer_files.require(folder))) == {*FILES, "chat_template.jinja"}


@pytest.mark.parametrize("absent", [("tokenizer.json",), ("vocab.json", "merges.txt")])
def test_one_of_the_two_forms_is_enough(folder: Path, absent: tuple[str, ...]) -> None:
    remove(folder, *absent)
    assert set(names(tokenizer_files.require(folder))) == set(FILES) - set(absent)
    assert tokenizer_files.special_ids(folder) == IDS


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        (("tokenizer_config.json",), "no tokenizer_config.json;"),
        (("tokenizer.json", "merges.txt"), "no tokenizer.json (or merges.txt);"),
        (
            ("tokenizer.json", "merges.txt", "vocab.json"),
            "no tokenizer.json (or vocab.json and merges.txt);",
        ),
        (
            ("tokenizer_config.json", "tokenizer.json", "vocab.json"),
            "no tokenizer_config.json and no tokenizer.json (or vocab.json);",
        ),
    ],
)
def test_every_missing_file_is_named(folder: Path, absent: tuple[str, ...], message: str) -> None:
    remove(folder, *absent)
    for reader in (tokenizer_files.require, tokenizer_files.special_ids):
        with pytest.raises(CheckpointError) as caught:
            reader(folder)
        assert message in str(caught.value)
        assert str(folder) in str(caught.value)


def test_a_folder_in_place_of_a_file_is_missing(folder: Path) -> None:
    remove(folder, "tokenizer_config.json")
    (folder / "tokenizer_config.json").mkdir()
    with pytest.raises(CheckpointError, match=r"no tokenizer_config\.json"):
        tokenizer_files.require(folder)


# --- which ids


def test_ids_are_read_from_each_source_alone(folder: Path) -> None:
    assert tokenizer_files.special_ids(folder) == IDS
    surgery.configure(folder, {"added_tokens": []}, "tokenizer.json")
    assert tokenizer_files.special_ids(folder) == IDS
    surgery.configure(folder, {"added_tokens_decoder": ...}, "tokenizer_config.json")
    assert tokenizer_files.special_ids(folder) == IDS


def test_ids_are_never_assumed(folder: Path) -> None:
    """Another FastVLM export has its image token elsewhere."""
    moved = {"<image>": 509, "[IMG]": 511}
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    for entry in content["added_tokens"]:
        entry["id"] = moved.get(entry["content"], entry["id"])
    surgery.configure(folder, {"added_tokens": content["added_tokens"]}, "tokenizer.json")
    surgery.configure(folder, {"added_tokens_decoder": {}}, "tokenizer_config.json")
    surgery.configure(folder, moved, "added_tokens.json")
    assert tokenizer_files.special_ids(folder).image_token_id == 509


@pytest.mark.parametrize("form", ["<|endoftext|>", {"content": "<|endoftext|>", "lstrip": False}])
def test_the_end_token_is_the_configured_one(folder: Path, form: Any) -> None:
    surgery.configure(folder, {"eos_token": form}, "tokenizer_config.json")
    ids = tokenizer_files.special_ids(folder)
    assert (ids.eos_token_id, ids.im_end_id) == (506, 508)


def test_the_special_tokens_map_fills_gaps(folder: Path) -> None:
    surgery.configure(folder, {"eos_token": ..., "pad_token": None}, "tokenizer_config.json")
    surgery.configure(folder, {"eos_token": "<|im_start|>"}, "special_tokens_map.json")
    ids = tokenizer_files.special_ids(folder)
    assert (ids.eos_token_id, ids.pad_token_id) == (507, 506)


def test_without_any_word_on_it_turns_end_at_im_end(folder: Path) -> None:
    remove(folder, "special_tokens_map.json")
    surgery.configure(folder, {"eos_token": ..., "pad_token": ...}, "tokenizer_config.json")
    ids = tokenizer_files.special_ids(folder)
    assert (ids.eos_token_id, ids.pad_token_id) == (508, 508)


def test_without_a_padding_token_the_end_token_pads(folder: Path) -> None:
    remove(folder, "special_tokens_map.json")
    changes = {"eos_token": "<|im_start|>", "pad_token": ...}
    surgery.configure(folder, changes, "tokenizer_config.json")
    ids = tokenizer_files.special_ids(folder)
    assert (ids.eos_token_id, ids.pad_token_id) == (507, 507)


@pytest.mark.parametrize("token", ["<image>", "<|im_start|>", "<|im_end|>"])
def test_a_missing_token_is_named(folder: Path, token: str) -> None:
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    kept = [entry for entry in content["added_tokens"] if entry["content"] != token]
    surgery.configure(folder, {"added_tokens": kept}, "tokenizer.json")
    surgery.configure(folder, {token: ...}, "added_tokens.json")
    surgery.configure(folder, {"added_tokens_decoder": None}, "tokenizer_config.json")
    with pytest.raises(CheckpointError) as caught:
        tokenizer_files.special_ids(folder)
    assert f"the tokenizer has no token {token!r}" in str(caught.value)


@pytest.mark.parametrize("key", ["eos_token", "pad_token"])
def test_a_configured_token_has_to_exist(folder: Path, key: str) -> None:
    surgery.configure(folder, {key: "<|nowhere|>"}, "tokenizer_config.json")
    with pytest.raises(CheckpointError, match=r"no token '<\|nowhere\|>'"):
        tokenizer_files.special_ids(folder)


# --- damage


def test_files_that_disagree_are_refused(folder: Path) -> None:
    surgery.configure(folder, {"<image>": 510}, "added_tokens.json")
    with pytest.raises(CheckpointError) as caught:
        tokenizer_files.special_ids(folder)
    assert "token '<image>' has id 510, but tokenizer.json says 511" in str(caught.value)


def test_two_tokens_of_one_id_are_refused(folder: Path) -> None:
    remove(folder, "tokenizer.json")
    surgery.configure(folder, {"added_tokens_decoder": {}}, "tokenizer_config.json")
    surgery.configure(folder, {"<image>": 508}, "added_tokens.json")
    with pytest.raises(CheckpointError, match="share an id"):
        tokenizer_files.special_ids(folder)


@pytest.mark.parametrize("index", [None, True, -1, 1.5, "511", [511], 1 << 31, float("nan")])
def test_an_id_that_is_none_is_refused(folder: Path, index: Any) -> None:
    surgery.configure(folder, {"<image>": index}, "added_tokens.json")
    with pytest.raises(CheckpointError, match=r"added_tokens\.json: token '<image>' has id"):
        tokenizer_files.special_ids(folder)


@pytest.mark.parametrize("key", ["", "x", "-1", "1.5", "٣", "²", "9" * 5000, str(1 << 31)])
def test_a_decoder_key_that_is_no_id_is_refused(folder: Path, key: str) -> None:
    decoder = {key: {"content": "<image>"}}
    surgery.configure(folder, {"added_tokens_decoder": decoder}, "tokenizer_config.json")
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json: token '<image>' has id"):
        tokenizer_files.special_ids(folder)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("tokenizer.json", {"added_tokens": {}}),
        ("tokenizer.json", {"added_tokens": None}),
        ("tokenizer.json", {"added_tokens": ["<image>"]}),
        ("tokenizer.json", {"added_tokens": [{"id": 5}]}),
        ("tokenizer.json", {"added_tokens": [{"content": 5, "id": 5}]}),
        ("tokenizer.json", {"added_tokens": [{"content": "<image>"}]}),
        ("tokenizer_config.json", {"added_tokens_decoder": [1]}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"511": "<image>"}}),
        ("tokenizer_config.json", {"eos_token": 508}),
        ("tokenizer_config.json", {"pad_token": {"text": "<|endoftext|>"}}),
        ("tokenizer_config.json", {"pad_token": ["<|endoftext|>"]}),
    ],
)
def test_a_malformed_entry_is_refused(folder: Path, name: str, changes: dict[str, Any]) -> None:
    surgery.configure(folder, changes, name)
    with pytest.raises(CheckpointError, match=name):
        tokenizer_files.special_ids(folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "added_tokens.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe{}", b"[" * 100_000])
def test_a_file_that_is_no_object_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name}: (cannot be read|holds no JSON object)"):
        tokenizer_files.special_ids(folder)
