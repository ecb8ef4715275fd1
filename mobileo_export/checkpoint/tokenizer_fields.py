"""Every field of the tokenizer files: honored, of no effect here, or fixed to what Qwen2 has.

The fields are those of the released files, of transformers' Qwen2 tokenizer classes and of the
``tokenizers`` library; tests read those classes, so that a new field of theirs cannot be missed.
A fixed field with another value is refused, since readers of the same files would then make other
tokens of one prompt: transformers 5 builds Qwen2's pipeline anew and takes the vocabulary alone,
``tokenizers`` and transformers 4 run the file as it is, and an app has its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mobileo_export.checkpoint.fields.table import Field, only, same
from mobileo_export.errors import CheckpointError

# Qwen2's split into words, numbers digit by digit (its tokenizer.json).
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_MEND = "copy the tokenizer files of the released checkpoint"
_SHOWN = 120
_NOTHING_ADDED = [{"Sequence": {"id": "A", "type_id": 0}}]


def _fixed(why: str, *values: Any) -> Field:
    """An absent field is taken too, as its default is Qwen2's.

    A part of the pipeline stands in ``values`` as :func:`plain` has it.
    """
    return only(why, None, *values)


_NAMES = Field("honored", "named tokens are special: no text of a user is one, no answer shows one")
_SINGLE = Field("irrelevant", "one prompt at a time, of its exact length, cut by the recipe")
_TOLD = Field("irrelevant", "says where the files came from or how to load them, not what they do")
_INTERNAL = _fixed("transformers hands it from one part of itself to another and never saves it")
_UNSEEN = Field("irrelevant", "every byte has a token of its own, which is checked")

# tokenizer_config.json
CONFIG: Mapping[str, Field] = {
    "added_tokens_decoder": Field("honored", "ids and flags of the added tokens"),
    "eos_token": Field("honored", "an answer ends there"),
    "pad_token": Field("honored", "its id is in the bundle, though nothing is padded"),
    "bos_token": _NAMES,
    "unk_token": _NAMES,
    "sep_token": _NAMES,
    "cls_token": _NAMES,
    "mask_token": _NAMES,
    "additional_special_tokens": _NAMES,
    "extra_special_tokens": _NAMES,
    "model_specific_special_tokens": _NAMES,
    "chat_template": Field("honored", "compared with the recipe's prompts; another is a warning"),
    "auto_map": Field("honored", "code of the checkpoint's own is not run, which is a warning"),
    "tokenizer_class": _fixed(
        "transformers would read the files by the rules of another model",
        "Qwen2Tokenizer",
        "Qwen2TokenizerFast",
        "PreTrainedTokenizerFast",
        "TokenizersBackend",
    ),
    "add_prefix_space": _fixed("every text would begin with a space", False),
    "add_bos_token": _fixed("every text would begin with a token that Mobile-O never saw", False),
    "add_eos_token": _fixed("every text would end with a token, the open turn too", False),
    "split_special_tokens": _fixed("the prompt's own <|im_start|> would be plain text", False),
    "errors": _fixed("half a character in an answer would be left out or an error", "replace"),
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": _fixed(
        "spaces before punctuation would vanish from answers", False
    ),
    "fix_mistral_regex": _fixed("words would be split as in another model", False),
    "init_inputs": _fixed("arguments without a name could mean anything", [], ()),
    "clean_up_tokenization_spaces": Field(
        "irrelevant", "transformers leaves the spaces of a byte-level BPE alone"
    ),
    "unk_id": _UNSEEN,
    "model_max_length": _SINGLE,
    "max_len": _SINGLE,
    "max_length": _SINGLE,
    "stride": _SINGLE,
    "padding_side": _SINGLE,
    "truncation_side": _SINGLE,
    "truncation_strategy": _SINGLE,
    "pad_token_type_id": _SINGLE,
    "pad_to_multiple_of": _SINGLE,
    "model_input_names": _SINGLE,
    "chat_control_tokens": Field("irrelevant", "no text of a user can be a special token here"),
    "response_template": Field("irrelevant", "answers are text, no program takes them apart"),
    "response_schema": Field("irrelevant", "answers are text, no program takes them apart"),
    **dict.fromkeys(
        (
            "backend",
            "device_map",
            "files_loaded",
            "from_slow",
            "is_local",
            "legacy",
            "local_files_only",
            "name_or_path",
            "processor_class",
            "special_tokens_map_file",
            "tokenizer_file",
            "transformers_version",
            "trust_remote_code",
            "use_fast",
            "verbose",
        ),
        _TOLD,
    ),
    **dict.fromkeys(
        (
            "_json_padding",
            "_json_truncation",
            "_spm_precompiled_charsmap",
            "gguf_file",
            "merges",
            "merges_file",
            "post_processor",
            "tokenizer",
            "tokenizer_object",
            "tokenizer_padding",
            "tokenizer_truncation",
            "vocab",
            "vocab_file",
        ),
        _INTERNAL,
    ),
}

# tokenizer.json; a dot leads into an object
FAST: Mapping[str, Field] = {
    "version": Field("irrelevant", "the library refuses those it cannot read"),
    "truncation": Field("irrelevant", "transformers resets it with every call; bundles have none"),
    "padding": Field("irrelevant", "transformers resets it with every call; bundles have none"),
    "added_tokens": Field("honored", "ids and flags of the added tokens"),
    "normalizer": only("characters of several code points would get other tokens", {"type": "NFC"}),
    "pre_tokenizer": only(
        "text would be split into other words, and so get other tokens",
        [
            {
                "type": "Split",
                "pattern": {"Regex": SPLIT},
                "behavior": "Isolated",
                "invert": False,
            },
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ],
    ),
    "post_processor": _fixed("every text would get tokens that Mobile-O never saw"),
    "decoder": only("answers would not be the text of their bytes", {"type": "ByteLevel"}),
    "model.type": _fixed("it would be no byte-level BPE", "BPE"),
    "model.vocab": Field("honored", "the tokens; vocab.json has to have the same"),
    "model.merges": Field("honored", "the order of merging; merges.txt has to have the same"),
    "model.dropout": _fixed("the tokens of a prompt would be drawn by lot", 0, 0.0),
    "model.ignore_merges": _fixed("whole words would win over their merges", False),
    "model.continuing_subword_prefix": _fixed("pieces inside a word would be other tokens", ""),
    "model.end_of_word_suffix": _fixed("pieces at the end of a word would be other tokens", ""),
    "model.unk_token": _UNSEEN,
    "model.fuse_unk": _UNSEEN,
    "model.byte_fallback": _UNSEEN,
}

# An added token, of those that the recipe's prompts place
FLAGS: Mapping[str, Field] = {
    "id": Field("honored", "compared among the files and with what the library gives"),
    "content": Field("honored", "the token's text"),
    "special": Field("honored", "a user cannot type it, an answer does not show it"),
    "lstrip": _fixed("the token would take the spaces and line ends before it away", False),
    "rstrip": _fixed("the token would take the line end of the template after it away", False),
    "single_word": _fixed("beside a letter the token would be plain text", False),
    "normalized": Field("irrelevant", "none of the prompts' tokens changes under NFC"),
}


def check_config(path: Path, content: Mapping[str, Any]) -> Iterator[str]:
    """Warnings about ``tokenizer_config.json``.

    Raises:
        CheckpointError: a fixed field has another value.
    """
    for name, value in content.items():
        if name in CONFIG:
            _check(path, name, value, CONFIG[name])
        elif name.endswith("_token") and isinstance(value, (str, dict)):
            pass  # a token with a name of its own, special as the others
        else:
            yield f"{path.name}: the field {name} = {_show(value)} is not known and has no effect"
    if content.get("auto_map"):
        yield f"{path.name}: auto_map names code of the checkpoint's own, which is not run"


def check_fast(path: Path, content: Mapping[str, Any]) -> Iterator[str]:
    """Warnings about ``tokenizer.json``.

    Raises:
        CheckpointError: a fixed field has another value, or a part is missing.
    """
    model = content.get("model")
    if not isinstance(model, dict):
        raise CheckpointError(f"{path}: model is no object; {_MEND}")
    given = {name: value for name, value in content.items() if name != "model"}
    given |= {f"model.{name}": value for name, value in model.items()}
    for name, value in given.items():
        if name not in FAST:
            yield f"{path.name}: the field {name} = {_show(value)} is not known and has no effect"
    for name, field in FAST.items():
        value = given.get(name)
        part = name in {"normalizer", "pre_tokenizer", "post_processor", "decoder"}
        _check(path, name, plain(name, value) if part else value, field)


def check_placed(path: Path, token: str, flags: Mapping[str, Any]) -> None:
    """Raise CheckpointError where a flag of a token that the prompts place changes them."""
    for name, value in flags.items():
        if name in FLAGS:
            _check(path, f"the added token {token!r}: {name}", value, FLAGS[name])


def plain(name: str, part: Any) -> Any:
    """A part of ``tokenizer.json``'s pipeline without what has no effect on tokens.

    Sequences are flat, one of one is that one, of none null; offsets are not looked at.
    """
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "Sequence":
        keys = ("normalizers", "pretokenizers", "processors", "decoders")
        lists: Iterator[list[Any]] = (part[key] for key in keys if isinstance(part.get(key), list))
        flat: list[Any] = []
        for value in (plain(name, child) for child in next(lists, [])):
            flat += value if isinstance(value, list) else [value] if value is not None else []
        return flat if len(flat) > 1 else flat[0] if flat else None
    if kind == "ByteLevel" and name == "pre_tokenizer":
        own = {key: value for key, value in part.items() if key != "trim_offsets"}
        return {"add_prefix_space": True, "use_regex": True, **own}
    if kind == "ByteLevel":  # a decoder needs no settings; after the model it moves offsets only
        return {"type": kind} if name == "decoder" else None
    if kind == "TemplateProcessing" and part.get("single") == _NOTHING_ADDED:
        return None
    return {"invert": False, **part} if kind == "Split" else part


def _check(path: Path, name: str, value: Any, field: Field) -> None:
    if field.use != "only" or field.accepts(value):
        return
    where, found = _part(name, value, field.values[-1])
    known = [_show(taken) for taken in field.values if taken is not None]
    wanted = f", where Qwen2 has {_show(_at(where, name, field))}" if len(known) == 1 else ""
    raise CheckpointError(f"{path}: {where} is {_show(found)}{wanted}; {field.why}: {_MEND}")


def _part(name: str, value: Any, taken: Any) -> tuple[str, Any]:
    """The innermost place in which two values differ, and what the first has there."""
    if isinstance(value, dict) and isinstance(taken, dict):
        for key in [*taken, *value]:
            if key not in value or not same(value[key], taken.get(key)):
                return _part(f"{name}.{key}", value.get(key), taken.get(key))
    if isinstance(value, list) and isinstance(taken, list) and len(value) == len(taken):
        for index, (one, other) in enumerate(zip(value, taken, strict=True)):
            if not same(one, other):
                return _part(f"{name}[{index}]", one, other)
    return name, value


def _at(where: str, name: str, field: Field) -> Any:
    """What Qwen2 has at ``where``, a place inside the field ``name``."""
    value = next(taken for taken in field.values if taken is not None)
    for step in where[len(name) :].replace("[", ".").replace("]", "").split(".")[1:]:
        value = value[int(step)] if isinstance(value, list) else value.get(step)
    return value


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
