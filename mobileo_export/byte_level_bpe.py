"""Qwen2's tokenizer as one ``tokenizer.json``, which Swift and the ``tokenizers`` library read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.checkpoint import read_json
from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Qwen2's split into words, numbers digit by digit (its tokenizer.json).
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(tokenizer: Tokenizer) -> Tokenizer:
    """Give a BPE model what Qwen2 does around it: NFC, the split into words, bytes as letters."""
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers, processors

    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def from_slow_files(folder: Path, added: Mapping[str, int]) -> str:
    """The text of ``tokenizer.json`` for ``vocab.json``, ``merges.txt`` and the added tokens.

    Raises:
        CheckpointError: the files are damaged, or the added tokens do not follow the vocabulary.
    """
    from tokenizers import AddedToken, Tokenizer, models

    vocabulary = read_json(folder / "vocab.json")
    try:
        lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
        pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
        merges = [(left, right) for left, right in pairs]
        tokenizer = byte_level(Tokenizer(models.BPE(vocabulary, merges)))
    except Exception as error:  # the library raises plain exceptions of its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{folder}: vocab.json and merges.txt are no byte-level BPE ({reason}); "
            "copy the tokenizer files of the released checkpoint"
        ) from error
    ordered = sorted(added, key=lambda token: added[token])
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in ordered]
    )
    for token in ordered:
        if tokenizer.token_to_id(token) != added[token]:
            raise CheckpointError(
                f"{folder}: token {token!r} has id {added[token]}, which does not follow the "
                "vocabulary; copy the tokenizer.json of the released checkpoint"
            )
    text: str = tokenizer.to_str(pretty=True)
    return text
