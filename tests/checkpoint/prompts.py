"""A tokenizer's files of a test's own, and the prompt that is made with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mobileo_export import recipe
from mobileo_export.pipelines.tokens import Prompter, Tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


TEXT = "naïve 日本語 e\u0301, isn't it?  12 34\n\n a photo  of a cat <|im_end|> "
OTHER_PARTS: Mapping[str, Any] = {
    "truncation": {
        "direction": "Right",
        "max_length": 28,
        "strategy": "LongestFirst",
        "stride": 0,
    },
    "padding": {
        "strategy": {"Fixed": 467},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 506,
        "pad_type_id": 0,
        "pad_token": "<|endoftext|>",
    },
    "normalizer": {"type": "NFKC"},
    "pre_tokenizer": {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    },
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            "<|endoftext|>": {"id": "<|endoftext|>", "ids": [506], "tokens": ["<|endoftext|>"]}
        },
    },
    "decoder": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "always", "split": True},
    "model.type": "WordPiece",
    "model.dropout": 0.1,
    "model.ignore_merges": True,
    "model.continuing_subword_prefix": "##",
    "model.end_of_word_suffix": "</w>",
    "model.unk_token": "!",
    "model.fuse_unk": True,
    "model.byte_fallback": True,
}


def ids(folder: Path) -> list[int]:
    prompt = Prompter(Tokenizer(folder), recipe.Prompts()).generate(TEXT, 10_000)
    return [int(token) for token in prompt.input_ids[0]]


def put(folder: Path, name: str, value: Any) -> None:
    """A field of tokenizer.json; a dot leads into the model."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    inside = content["model"] if name.startswith("model.") else content
    inside[name.removeprefix("model.")] = value
    path.write_text(json.dumps(content), encoding="utf-8")
