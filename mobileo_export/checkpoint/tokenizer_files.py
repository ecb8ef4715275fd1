"""The tokenizer files of a checkpoint: which are needed, which travel along, what they name.

Ids are read, never assumed: FastVLM exports differ in where ``<image>`` lies (151646 or 151648).
What becomes of each field of the files stands in :mod:`mobileo_export.checkpoint.tokenizer_fields`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mobileo_export.checkpoint import chat_template, tokenizer_bpe, tokenizer_fields
from mobileo_export.checkpoint.folder import read_json
from mobileo_export.checkpoint.tokenizer_bpe import AddedToken
from mobileo_export.errors import CheckpointError

CONFIG = "tokenizer_config.json"
FAST = "tokenizer.json"
SLOW = ("vocab.json", "merges.txt")
_ADDED, _MAP = "added_tokens.json", "special_tokens_map.json"
# Copied when present: transformers and mlx-lm read them, older exports lack them.
OPTIONAL = (_ADDED, _MAP, chat_template.JINJA, chat_template.JSON, "generation_config.json")
IMAGE_TOKEN = "<image>"
IM_START, IM_END = "<|im_start|>", "<|im_end|>"
PLACED = (IMAGE_TOKEN, IM_START, IM_END)  # those that the recipe's prompts hold


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

    ``tokenizer.json``, which runtimes and apps read, is copied to the byte where it is clean. It is
    written anew without padding and truncation, or with added tokens that only other files name,
    and is made from the two slow files where an older training saved those alone.

    Raises:
        CheckpointError: a file is missing or malformed, or a field has a value that is refused.
    """
    files = _read(source)
    content = files.content()
    for path in files.paths:
        shutil.copyfile(path, target / path.name)
    if content != files.fast:
        text = json.dumps(content, ensure_ascii=False, indent=2)
        try:
            (target / FAST).write_text(text, encoding="utf-8")
        except UnicodeEncodeError as error:
            raise CheckpointError(
                f"{source / FAST}: holds half a character; copy the tokenizer files of the "
                "released checkpoint"
            ) from error


@dataclass(frozen=True)
class Checked:
    """What :func:`checked` found in files that can be used."""

    special: SpecialTokens
    warnings: tuple[str, ...]


def check(folder: Path, rows: int | None = None) -> tuple[str, ...]:
    """The warnings of :func:`checked`."""
    return checked(folder, rows).warnings


def checked(folder: Path, rows: int | None = None) -> Checked:
    """Look at all that the tokenizer files of a checkpoint say, reading each once.

    Args:
        folder: where they are.
        rows: tokens that the model's embedding table knows.

    Raises:
        CheckpointError: a file is missing or malformed, two disagree, a field has a value that is
            refused, or a prompt could have a token that the model does not know.
    """
    files = _read(folder)
    special = files.special()
    model = files.content()["model"]
    words = [token.id for token in files.added.values() if not token.special]
    last = max(len(model["vocab"]) - 1, *words, *asdict(special).values())
    if rows is not None and last >= rows:
        raise CheckpointError(
            f"{folder}: the tokenizer has tokens up to id {last:,}, the embedding table {rows:,} "
            "rows; copy the tokenizer files that these weights were trained with"
        )
    if files.fast is not None:
        tokenizer_bpe.compare(folder, model, files.added)
    warnings = (*files.warnings, *chat_template.warnings(folder, files.config))
    return Checked(special, warnings)


def special_ids(folder: Path) -> SpecialTokens:
    """The ids of the special tokens, read from the tokenizer files in ``folder``.

    Raises:
        CheckpointError: a file is missing or malformed, a token is absent, two files disagree, or
            a field has a value that is refused.
    """
    return _read(folder).special()


def added_tokens(folder: Path) -> dict[str, AddedToken]:
    """All tokens that were added to the vocabulary, in the order of their ids.

    Raises:
        CheckpointError: a file is missing or malformed, or two files disagree.
    """
    return _read(folder).added


def fast_content(folder: Path) -> dict[str, Any]:
    """``tokenizer.json`` as it is meant: with every added token, without padding or truncation.

    Raises:
        CheckpointError: a file is missing or malformed, two disagree, or a field has a value that
            is refused.
    """
    return _read(folder).content()


@dataclass(frozen=True)
class _Files:
    """What the tokenizer files of a folder hold, read once and looked at field by field."""

    folder: Path
    paths: tuple[Path, ...]
    config: dict[str, Any]
    fast: dict[str, Any] | None
    named: dict[str, Any]
    added: dict[str, AddedToken]
    warnings: tuple[str, ...]

    def special(self) -> SpecialTokens:
        image, start, end = (self._find(token) for token in PLACED)
        eos, pad = (_text(self.folder, self.named.get(key)) for key in ("eos_token", "pad_token"))
        eos_id = end if eos is None else self._find(eos)
        pad_id = eos_id if pad is None else self._find(pad)
        return SpecialTokens(image, start, end, eos_id, pad_id)

    def _find(self, token: str) -> int:
        if token in self.added:
            return self.added[token].id
        hint = (
            "the tokenizer is a plain Qwen2's or another FastVLM's: copy the files of the released "
            "Mobile-O checkpoint"
            if token == IMAGE_TOKEN
            else "copy the tokenizer files of the released checkpoint"
        )
        raise CheckpointError(f"{self.folder}: the tokenizer has no token {token!r}; {hint}")

    def content(self) -> dict[str, Any]:
        if self.fast is None:
            made: dict[str, Any] = json.loads(
                tokenizer_bpe.from_slow_files(self.folder, self.added)
            )
            tokenizer_bpe.check_vocabulary(self.folder, made["model"], self.added)
            return made
        tokenizer_bpe.check_vocabulary(self.folder, self.fast["model"], self.added)
        tokens = [asdict(token) for token in self.added.values()]
        return {**self.fast, "truncation": None, "padding": None, "added_tokens": tokens}


def _read(folder: Path) -> _Files:
    paths = require(folder)
    config = read_json(folder / CONFIG)
    fast = read_json(folder / FAST) if folder / FAST in paths else None
    warnings = list(tokenizer_fields.check_config(folder / CONFIG, config))
    if fast is not None:
        warnings += tokenizer_fields.check_fast(folder / FAST, fast)
    mapped = read_json(folder / _MAP) if folder / _MAP in paths else {}
    named = {key: value for key, value in config.items() if _names_tokens(key)}
    for key, value in mapped.items():
        if not _names_tokens(key):
            warnings.append(f"{_MAP}: the field {key} is not known and has no effect")
        elif named.get(key) is None or "added_tokens_decoder" not in config:  # as in transformers
            named[key] = value
        elif key in {"eos_token", "pad_token"}:
            ours, other = _text(folder, named[key]), _text(folder, value)
            if ours != other:
                warnings.append(f"{_MAP}: {key} is {other!r}, but {CONFIG} says {ours!r}: taken")
    return _Files(
        folder, paths, config, fast, named, _added(folder, fast, config, named), tuple(warnings)
    )


def _added(
    folder: Path, fast: dict[str, Any] | None, config: dict[str, Any], named: dict[str, Any]
) -> dict[str, AddedToken]:
    """The added tokens of all files; flags are those of the configuration where it has any."""
    ids: dict[str, int] = {}
    sources: dict[str, Path] = {}
    flags: dict[str, dict[str, bool]] = {}
    for source, token, index, entry in _declared(folder, fast, config):
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < 1 << 31:
            raise CheckpointError(f"{source}: token {token!r} has id {index!r}, which is no id")
        if ids.setdefault(token, index) != index:
            raise CheckpointError(
                f"{source}: token {token!r} has id {index}, but {sources[token].name} says "
                f"{ids[token]}; the files come from different tokenizers"
            )
        sources.setdefault(token, source)
        if entry is not None:
            flags[token] = tokenizer_bpe.flags(source, token, entry)
            if token in PLACED:
                tokenizer_fields.check_placed(source, token, entry)
    by_id: dict[int, str] = {}
    for token, index in ids.items():
        if by_id.setdefault(index, token) != token:
            raise CheckpointError(
                f"{folder}: the added tokens {by_id[index]!r} and {token!r} share an id, {index}; "
                "the tokenizer is damaged, download it again"
            )
    special = {*PLACED, *_texts(named.values())}
    tokens = {}
    for index, token in sorted(by_id.items()):
        known = flags.get(token, {"special": False, "normalized": token not in special})
        tokens[token] = AddedToken(
            content=token, id=index, **{**known, "special": known["special"] or token in special}
        )
    return tokens


def _declared(
    folder: Path, fast: dict[str, Any] | None, config: dict[str, Any]
) -> Iterator[tuple[Path, str, Any, dict[str, Any] | None]]:
    """(file, token, id, its flags) of every added token that any of the files declares."""
    added, source = folder / _ADDED, folder / FAST
    if fast is not None:
        entries = fast.get("added_tokens", [])
        if not isinstance(entries, list):
            raise CheckpointError(f"{source}: added_tokens is no list; download it again")
        for entry in entries:
            yield source, _content(source, entry), entry.get("id"), entry
    if added.is_file():
        for token, index in read_json(added).items():
            yield added, token, index, None
    source = folder / CONFIG
    decoder = config.get("added_tokens_decoder") or {}
    if not isinstance(decoder, dict):
        raise CheckpointError(f"{source}: added_tokens_decoder is no object; download it again")
    for text, entry in decoder.items():
        plain = text.isascii() and text.isdigit() and len(text) < 16
        yield source, _content(source, entry), int(text) if plain else text, entry


def _content(source: Path, entry: Any) -> str:
    content = entry.get("content") if isinstance(entry, dict) else None
    if not isinstance(content, str):
        raise CheckpointError(f"{source}: an added token has no content; download it again")
    return content


def _names_tokens(key: str) -> bool:
    return key.endswith(("_token", "special_tokens")) and key != "split_special_tokens"


def _text(folder: Path, value: Any) -> str | None:
    """A named token: plain text, or an object with its content."""
    return value if value is None or isinstance(value, str) else _content(folder / CONFIG, value)


def _texts(values: Iterable[Any]) -> Iterator[str]:
    """The tokens in a configuration's values: texts, objects with their content, lists of both."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            content = value.get("content")
            yield from _texts([content] if isinstance(content, str) else value.values())
        elif isinstance(value, list):
            yield from _texts(value)
