"""Qwen2's tokenizer as one ``tokenizer.json``, which Swift and the ``tokenizers`` library read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint.folder import read_json
from mobileo_export.checkpoint.tokenizer_fields import SPLIT
from mobileo_export.errors import CheckpointError, first_line

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY, MERGES = "vocab.json", "merges.txt"
_MEND = "copy the tokenizer files of the released checkpoint"
_OTHERS = "the files come from different tokenizers"
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")


@dataclass(frozen=True)
class AddedToken:
    """A token that was added to the vocabulary, with its flags as ``tokenizers`` names them.

    One that is not special is a word like any other: a user who types it gets it.
    """

    content: str
    id: int
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False
    normalized: bool = False
    special: bool = False


def flags(source: Path, token: str, entry: Mapping[str, Any]) -> dict[str, bool]:
    """Those of an added token as the file ``source`` has them.

    Raises:
        CheckpointError: one is no boolean.
    """
    found = {name: entry.get(name, False) for name in _FLAGS}
    for name, value in found.items():
        if not isinstance(value, bool):
            raise CheckpointError(f"{source}: token {token!r}: {name} is {value!r}, not a boolean")
    return found


def byte_level(tokenizer: Tokenizer) -> Tokenizer:
    """Give a BPE model what Qwen2 does around it: NFC, the split into words, bytes as letters."""
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers, processors

    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def alphabet() -> list[str]:
    """The printable character that stands for each byte in a byte-level vocabulary (GPT-2's)."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def from_slow_files(folder: Path, added: Mapping[str, AddedToken]) -> str:
    """The text of ``tokenizer.json`` for ``vocab.json``, ``merges.txt`` and the added tokens.

    Raises:
        CheckpointError: the files are damaged, or the added tokens do not follow the vocabulary.
    """
    from tokenizers import AddedToken as Added
    from tokenizers import Tokenizer, models

    vocabulary = read_json(folder / VOCABULARY)
    try:
        merges = [(left, right) for left, right in _merges(folder / MERGES)]
        tokenizer = byte_level(Tokenizer(models.BPE(vocabulary, merges)))
    except Exception as error:  # the library raises plain exceptions of its own
        reason = first_line(error)
        raise CheckpointError(
            f"{folder}: {VOCABULARY} and {MERGES} are no byte-level BPE ({reason}); {_MEND}"
        ) from error
    ordered = sorted(added.values(), key=lambda token: token.id)
    for token in ordered:
        tokenizer.add_tokens(
            [
                Added(
                    token.content,
                    single_word=token.single_word,
                    lstrip=token.lstrip,
                    rstrip=token.rstrip,
                    normalized=token.normalized,
                    special=token.special,
                )
            ]
        )
    for token in ordered:
        if tokenizer.token_to_id(token.content) != token.id:
            raise _stray(folder, token)
    text: str = tokenizer.to_str(pretty=True)
    return text


def check_vocabulary(
    folder: Path, model: Mapping[str, Any], added: Mapping[str, AddedToken]
) -> None:
    """Look at the vocabulary of ``tokenizer.json``'s ``model``.

    Raises:
        CheckpointError: a byte has no token, so that text with it would lose it without a word; or
            an added token has another id than the library will give it, which counts them.
    """
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict):
        raise CheckpointError(f"{folder / 'tokenizer.json'}: model.vocab is no object; {_MEND}")
    absent = next((byte for byte, text in enumerate(alphabet()) if text not in vocabulary), None)
    if absent is not None:
        raise CheckpointError(
            f"{folder}: the vocabulary has no token for the byte {absent:#04x}, which texts would "
            f"lose; {_MEND}"
        )
    expected = len(vocabulary)
    for token in added.values():
        if vocabulary.get(token.content, expected) != token.id:
            raise _stray(folder, token)
        expected = max(expected, token.id + 1)


def compare(folder: Path, model: Mapping[str, Any], added: Mapping[str, AddedToken]) -> None:
    """Hold ``vocab.json`` and ``merges.txt``, where they are there, to ``tokenizer.json``'s model.

    Raises:
        CheckpointError: they disagree; transformers reads one or the other.
    """
    slow = folder / VOCABULARY
    if slow.is_file():
        read = read_json(slow)
        ours, theirs = (
            {token: index for token, index in words.items() if token not in added}
            for words in ((model["vocab"], read) if model["vocab"] != read else ({}, {}))
        )
        if ours != theirs:
            token = next(t for t in [*ours, *theirs] if ours.get(t) != theirs.get(t))
            one, other = (_shown(words.get(token)) for words in (theirs, ours))
            raise CheckpointError(
                f"{slow}: the token {token!r} {one}, but in tokenizer.json it {other}; {_OTHERS}"
            )
    slow = folder / MERGES
    if slow.is_file():
        found = _merge_lines(slow)
        saved = _saved_merges(model.get("merges"))
        if found != saved:
            pad = [None] * abs(len(found) - len(saved))
            both = zip([*found, *pad], [*saved, *pad], strict=False)
            at, (a, b) = next((i, pair) for i, pair in enumerate(both) if pair[0] != pair[1])
            raise CheckpointError(
                f"{slow}: merge {at} is {a!r}, but in tokenizer.json it is {b!r}; {_OTHERS}"
            )


def _saved_merges(merges: Any) -> list[str]:
    """Those of ``tokenizer.json``, pairs or lines, as lines of the other file."""
    pairs = merges if isinstance(merges, list) else []
    with suppress(TypeError):  # of what is no text
        if {*map(type, pairs)} == {list}:  # 150,000 of them, as a rule
            return list(map(" ".join, pairs))
    return [pair if isinstance(pair, str) else " ".join(map(str, pair)) for pair in pairs]


def _merges(path: Path) -> Iterator[list[str]]:
    return (line.split(" ") for line in _merge_lines(path))


def _merge_lines(path: Path) -> list[str]:
    """Each is two parts and a space between them."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as text ({error}); {_MEND}") from error
    stated = bool(lines) and lines[0].startswith("#version")
    return [line for line in lines[stated:] if line]


def _shown(index: Any) -> str:
    return "is absent" if index is None else f"has id {index!r}"


def _stray(folder: Path, token: AddedToken) -> CheckpointError:
    return CheckpointError(
        f"{folder}: token {token.content!r} has id {token.id}, which does not follow the "
        "vocabulary; copy the tokenizer.json of the released checkpoint"
    )
