"""Fields of the tokenizer's files: each does what the table says, by the libraries' own word."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import recipe
from mobileo_export.checkpoint import tokenizer_fields, tokenizer_files
from mobileo_export.checkpoint.fields.table import Field
from mobileo_export.checkpoint.tokenizer_fields import CONFIG, FAST, FLAGS
from mobileo_export.errors import CheckpointError
from mobileo_export.pipelines.tokens import Tokenizer
from mobileo_export.random_checkpoint import tokenizer as random_tokenizer
from tests import surgery
from tests.checkpoint.prompts import OTHER_PARTS, TEXT, ids, put

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


NAMES = ("tokenizer_config.json", "tokenizer.json")
# For each field another value that is legal somewhere.
OTHER: Mapping[str, Any] = {
    "bos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "sep_token": "<|endoftext|>",
    "cls_token": "<|endoftext|>",
    "mask_token": "<|endoftext|>",
    "additional_special_tokens": ["[IMG]"],
    "extra_special_tokens": ["[IMG]"],
    "model_specific_special_tokens": {"image_token": "<image>"},
    "tokenizer_class": "LlamaTokenizer",
    "add_prefix_space": True,
    "add_bos_token": True,
    "add_eos_token": True,
    "split_special_tokens": True,
    "errors": "ignore",
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": True,
    "fix_mistral_regex": True,
    "init_inputs": ["vocab.json"],
    "clean_up_tokenization_spaces": True,
    "model_max_length": 16,
    "unk_id": 3,
    "max_len": 16,
    "max_length": 16,
    "stride": 3,
    "padding_side": "left",
    "truncation_side": "left",
    "truncation_strategy": "only_first",
    "pad_token_type_id": 1,
    "pad_to_multiple_of": 8,
    "model_input_names": ["input_ids"],
    "chat_control_tokens": ["<image>"],
    "response_template": None,
    "response_schema": {"type": "object"},
    "backend": "tokenizers",
    "device_map": "auto",
    "files_loaded": ["tokenizer.json"],
    "from_slow": True,
    "is_local": False,
    "legacy": True,
    "local_files_only": True,
    "name_or_path": "/somewhere",
    "processor_class": "LlavaProcessor",
    "special_tokens_map_file": "/somewhere/special_tokens_map.json",
    "tokenizer_file": "/somewhere/tokenizer.json",
    "transformers_version": "4.40.0",
    "trust_remote_code": True,
    "use_fast": False,
    "verbose": True,
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """The prompt of the tokenizer as it is."""
    folder = tmp_path_factory.mktemp("tokenizer")
    random_tokenizer.write_small(folder, 512)
    return ids(folder)


def library_ids(folder: Path) -> list[int]:
    """The same prompt by transformers; what a user typed is text there too."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    template = recipe.Prompts().template.replace("{system}", recipe.Prompts().system)
    before, _, after = template.partition("{user}")
    user = recipe.Prompts().generate_prefix + TEXT
    head, _, tail = before.rpartition("<|im_start|>user\n")
    found = list(tokenizer(head + "<|im_start|>")["input_ids"])
    found += tokenizer("user\n" + tail + user, split_special_tokens=True)["input_ids"]
    return [*found, *tokenizer(after)["input_ids"]]


def uses(table: Mapping[str, Field], use: str) -> list[str]:
    return [name for name, field in table.items() if field.use == use]


# --- the table against the libraries


def test_every_argument_of_transformers_has_a_row() -> None:
    """A new argument of a new version fails here: decide what becomes of it."""
    pytest.importorskip("transformers")
    from transformers import PreTrainedTokenizerBase
    from transformers.models.qwen2 import tokenization_qwen2
    from transformers.tokenization_utils_tokenizers import TokenizersBackend

    own = tokenization_qwen2.Qwen2Tokenizer.__init__
    found = set(inspect.signature(own).parameters) - {"self", "kwargs"}
    found |= set(PreTrainedTokenizerBase.SPECIAL_TOKENS_ATTRIBUTES)
    readers = (
        own,
        TokenizersBackend.__init__,
        TokenizersBackend.convert_to_native_format,
        PreTrainedTokenizerBase.__init__,
        PreTrainedTokenizerBase._from_pretrained,
    )
    pattern = (
        r"kwargs(?:\.(?:pop|get|setdefault)\(|\[|\.get\()\s*f?\"(\w+)\"|\"(\w+)\" in \w*kwargs"
    )
    for reader in readers:
        for match in re.finditer(pattern, inspect.getsource(reader)):
            found.add(match[1] or match[2])
    assert len(found) > 40  # the source is still written as it was
    assert found <= set(CONFIG), found - set(CONFIG)


def test_every_field_that_is_saved_has_a_row(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from tokenizers import AddedToken, Tokenizer, models
    from transformers import AutoTokenizer

    saved = tmp_path / "saved"
    AutoTokenizer.from_pretrained(str(folder)).save_pretrained(str(saved))
    assert set(json.loads((saved / "tokenizer_config.json").read_text())) <= set(CONFIG)
    content = json.loads(Tokenizer(models.BPE()).to_str())
    model = {f"model.{name}" for name in content.pop("model")}
    assert {*content, *model} == set(FAST)
    flags = {name for name in dir(AddedToken) if not name.startswith("_")}
    assert {*flags, "id"} == set(FLAGS)
    # And what transformers wrote is taken, and is the same prompt.
    assert tokenizer_files.check(saved) == ()
    assert ids(saved) == ids(folder)


def test_the_table_is_walked() -> None:
    honored = {"added_tokens_decoder", "eos_token", "pad_token", "chat_template", "auto_map"}
    internal = {name for name, field in CONFIG.items() if field is tokenizer_fields.CONFIG["vocab"]}
    assert set(OTHER) | honored | internal == set(CONFIG)
    assert set(OTHER_PARTS) | {"version", "added_tokens", "model.vocab", "model.merges"} == set(
        FAST
    )
    assert all(field.why for field in (*CONFIG.values(), *FAST.values(), *FLAGS.values()))


# --- tokenizer_config.json


@pytest.mark.parametrize("name", [n for n in OTHER if CONFIG[n].use != "only"])
def test_a_field_without_effect_has_none(folder: Path, name: str, expected: list[int]) -> None:
    surgery.configure(folder, {name: OTHER[name]}, "tokenizer_config.json")
    assert tokenizer_files.check(folder) == ()
    assert ids(folder) == expected
    pytest.importorskip("transformers")
    assert library_ids(folder) == expected


@pytest.mark.parametrize("name", uses(CONFIG, "only"))
def test_a_fixed_field_is_refused_by_name(folder: Path, name: str) -> None:
    for value in CONFIG[name].values:
        surgery.configure(folder, {name: value}, "tokenizer_config.json")
        tokenizer_files.check(folder)
    value = OTHER.get(name, "something")
    surgery.configure(folder, {name: value}, "tokenizer_config.json")
    for reader in (tokenizer_files.check, tokenizer_files.special_ids, Tokenizer):
        with pytest.raises(CheckpointError) as caught:
            reader(folder)
        message = str(caught.value)
        assert f"tokenizer_config.json: {name} is {json.dumps(value)}" in message
        assert CONFIG[name].why in message
        assert "copy the tokenizer files" in message


def test_what_nobody_knows_is_a_warning(folder: Path, expected: list[int]) -> None:
    surgery.configure(folder, {"new_thing": [1], "boi_token": "[IMG]"}, "tokenizer_config.json")
    (warning,) = tokenizer_files.check(folder)
    assert (
        warning == "tokenizer_config.json: the field new_thing = [1] is not known and has no effect"
    )
    assert ids(folder) == expected


def test_code_of_the_checkpoints_own_is_a_warning(folder: Path) -> None:
    surgery.configure(folder, {"auto_map": {"AutoTokenizer": ["a.B", None]}}, NAMES[0])
    assert any("auto_map names code" in warning for warning in tokenizer_files.check(folder))


def test_a_named_token_that_two_files_name_is_said(folder: Path) -> None:
    surgery.configure(folder, {"eos_token": "<|endoftext|>"}, "special_tokens_map.json")
    (warning,) = tokenizer_files.check(folder)
    assert "eos_token is '<|endoftext|>', but tokenizer_config.json says '<|im_end|>'" in warning
    assert tokenizer_files.special_ids(folder).eos_token_id == 508


# --- tokenizer.json


@pytest.mark.parametrize("name", [n for n in OTHER_PARTS if FAST[n].use == "irrelevant"])
def test_a_part_without_effect_has_none(folder: Path, name: str, expected: list[int]) -> None:
    put(folder, name, OTHER_PARTS[name])
    assert tokenizer_files.check(folder) == ()
    assert ids(folder) == expected
    pytest.importorskip("transformers")
    assert library_ids(folder) == expected


@pytest.mark.parametrize("name", uses(FAST, "only"))
def test_a_fixed_part_is_refused_by_name(folder: Path, name: str) -> None:
    put(folder, name, OTHER_PARTS[name])
    for reader in (tokenizer_files.check, tokenizer_files.special_ids, Tokenizer):
        with pytest.raises(CheckpointError) as caught:
            reader(folder)
        assert re.search(rf"tokenizer\.json: {re.escape(name)}[^ ]* is ", str(caught.value))
        assert FAST[name].why in str(caught.value)


def test_the_innermost_difference_is_named(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = True
    put(folder, "pre_tokenizer", content["pre_tokenizer"])
    with pytest.raises(CheckpointError) as caught:
        tokenizer_files.check(folder)
    assert "pre_tokenizer[1].add_prefix_space is true, where Qwen2 has false;" in str(caught.value)


@pytest.mark.parametrize("name", ["normalizer", "pre_tokenizer", "decoder"])
def test_an_absent_part_is_refused(folder: Path, name: str) -> None:
    put(folder, name, None)
    with pytest.raises(CheckpointError, match=rf"tokenizer\.json: {name} is null, where Qwen2 has"):
        tokenizer_files.check(folder)


def test_other_spellings_of_the_same_are_taken(folder: Path, expected: list[int]) -> None:
    """As Qwen2's own file, transformers 4 and 5 and nested sequences write it."""
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    split, byte_level = content["pre_tokenizer"]["pretokenizers"]
    del split["invert"]
    byte_level["trim_offsets"] = False
    whole = [{"Sequence": {"id": "A", "type_id": 0}}]
    nothing = {"type": "TemplateProcessing", "single": whole, "pair": whole, "special_tokens": {}}
    put(folder, "normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}]})
    inner = {"type": "Sequence", "pretokenizers": [byte_level]}
    put(folder, "pre_tokenizer", {"type": "Sequence", "pretokenizers": [split, inner]})
    put(folder, "post_processor", {"type": "Sequence", "processors": [nothing]})
    put(folder, "decoder", {**content["decoder"], "use_regex": False})
    for name in ("model.continuing_subword_prefix", "model.end_of_word_suffix"):
        put(folder, name, "")
    put(folder, "model.merges", [" ".join(pair) for pair in content["model"]["merges"]])
    assert tokenizer_files.check(folder) == ()


def test_a_flag_that_changes_the_prompt_is_refused(folder: Path) -> None:
    for flag in uses(FLAGS, "only"):
        content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        for entry in content["added_tokens"]:
            entry[flag] = entry["content"] == "<|im_end|>"
        put(folder, "added_tokens", content["added_tokens"])
        with pytest.raises(CheckpointError) as caught:
            tokenizer_files.special_ids(folder)
        assert f"the added token '<|im_end|>': {flag} is true" in str(caught.value)
        put(folder, "added_tokens", [{**e, flag: False} for e in content["added_tokens"]])
