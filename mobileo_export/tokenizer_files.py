"""The tokenizer files of a checkpoint: which are needed, which travel along, what they name.

Ids are read, never assumed: FastVLM exports differ in where ``<image>`` lies (151646 or 151648).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint import read_json
from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = "tokenizer_config.json"
FAST = "tokenizer.json"
SLOW = ("vocab.json", "merges.txt")
# Copied when present: transformers and mlx-lm read them, older exports lack them.
OPTIONAL = (
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
)
IMAGE_TOKEN = "<image>"
IM_START, IM_END = "<|im_start|>", "<|im_end|>"


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the tokens that the pipelines place or stop at."""

    image_token_id: int  # stands for one whole image in a prompt
    im_start_id: int
    im_end_id: int
    eos_token_id: int
    pad_token_id: int


def require(folder: Path) -> tuple[Path, ...]:
    """The tokenizer files in ``folder``, required ones first, then the optional ones it has.

    Raises:
        CheckpointError: names every required file that is missing.
    """
    present = [folder / name for name in (CONFIG, FAST, *SLOW) if (folder / name).is_file()]
    names = {path.name for path in present}
    missing = [] if CONFIG in names else [CONFIG]
    if FAST not in names and not names.issuperset(SLOW):
        absent = " and ".join(name for name in SLOW if name not in names)
        missing.append(f"{FAST} (or {absent})")
    if missing:
        raise CheckpointError(
            f"{folder}: no {' and no '.join(missing)}; copy the tokenizer files of the released "
            "checkpoint there"
        )
    optional = (folder / name for name in OPTIONAL)
    return (*present, *(path for path in optional if path.is_file()))


def copy(source: Path, target: Path) -> None:
    """Copy the tokenizer files of ``source`` into the folder ``target``.

    ``tokenizer.json``, which the runtimes read, is made from the two slow files where an older
    training saved those only.

    Raises:
        CheckpointError: a file is missing or malformed.
    """
    files = require(source)
    for path in files:
        shutil.copyfile(path, target / path.name)
    if source / FAST not in files:
        from mobileo_export import byte_level_bpe

        fast = byte_level_bpe.from_slow_files(source, added_tokens(source))
        (target / FAST).write_text(fast, encoding="utf-8")


def special_ids(folder: Path) -> SpecialTokens:
    """The ids of the special tokens, read from the tokenizer files in ``folder``.

    Raises:
        CheckpointError: a file is missing or malformed, a token is absent, or two files disagree.
    """
    require(folder)
    ids = added_tokens(folder)
    image, start, end = (_find(folder, ids, token) for token in (IMAGE_TOKEN, IM_START, IM_END))
    if len({image, start, end}) < 3:
        raise CheckpointError(
            f"{folder}: {IMAGE_TOKEN}, {IM_START} and {IM_END} share an id ({image}, {start}, "
            f"{end}); the tokenizer is damaged, download it again"
        )
    config = read_json(folder / CONFIG)
    eos = _configured(folder, config, "eos_token")
    pad = _configured(folder, config, "pad_token")
    eos_id = end if eos is None else _find(folder, ids, eos)
    pad_id = eos_id if pad is None else _find(folder, ids, pad)
    return SpecialTokens(image, start, end, eos_id, pad_id)


def added_tokens(folder: Path) -> dict[str, int]:
    """The ids of all tokens that were added to the vocabulary.

    Raises:
        CheckpointError: a file is malformed, or two files disagree.
    """
    ids: dict[str, int] = {}
    sources: dict[str, Path] = {}
    for source, token, index in _added_tokens(folder):
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < 1 << 31:
            raise CheckpointError(f"{source}: token {token!r} has id {index!r}, which is no id")
        if ids.setdefault(token, index) != index:
            raise CheckpointError(
                f"{source}: token {token!r} has id {index}, but {sources[token].name} says "
                f"{ids[token]}; the files come from different tokenizers"
            )
        sources.setdefault(token, source)
    return ids


def _added_tokens(folder: Path) -> Iterator[tuple[Path, str, Any]]:
    """(file, token, id) of every added token that any of the files declares."""
    fast, added, config = folder / FAST, folder / "added_tokens.json", folder / CONFIG
    if fast.is_file():
        entries = read_json(fast).get("added_tokens", [])
        if not isinstance(entries, list):
            raise CheckpointError(f"{fast}: added_tokens is no list; download it again")
        for entry in entries:
            yield fast, _content(fast, entry), entry.get("id")
    if added.is_file():
        for token, index in read_json(added).items():
            yield added, token, index
    decoder = read_json(config).get("added_tokens_decoder") or {}
    if not isinstance(decoder, dict):
        raise CheckpointError(f"{config}: added_tokens_decoder is no object; download it again")
    for text, entry in decoder.items():
        plain = text.isascii() and text.isdigit() and len(text) < 16
        yield config, _content(config, entry), int(text) if plain else text


def _content(source: Path, entry: Any) -> str:
    content = entry.get("content") if isinstance(entry, dict) else None
    if not isinstance(content, str):
        raise CheckpointError(f"{source}: an added token has no content; download it again")
    return content


def _find(folder: Path, ids: dict[str, int], token: str) -> int:
    index = ids.get(token)
    if index is None:
        hint = (
            "the tokenizer is a plain Qwen2's or another FastVLM's: copy the files of the released "
            "Mobile-O checkpoint"
            if token == IMAGE_TOKEN
            else "copy the tokenizer files of the released checkpoint"
        )
        raise CheckpointError(f"{folder}: the tokenizer has no token {token!r}; {hint}")
    return index


def _configured(folder: Path, config: dict[str, Any], key: str) -> str | None:
    """A token named in the configuration: plain text, or an object with its content."""
    value = config.get(key)
    if value is None and (folder / "special_tokens_map.json").is_file():
        value = read_json(folder / "special_tokens_map.json").get(key)
    if value is None or isinstance(value, str):
        return value
    return _content(folder / CONFIG, value)
