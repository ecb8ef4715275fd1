"""JSON files of whoever sent them: plain files of bounded size, every key once."""

from __future__ import annotations

import codecs
import json
import math
from typing import TYPE_CHECKING, Any, NoReturn

from mobileo_export import git_lfs

if TYPE_CHECKING:
    from pathlib import Path

# The largest that anybody writes, the tokenizer of a big vocabulary, has some ten megabytes.
MAX_BYTES = 1 << 27


def load(path: Path, *, constants: bool = True, limit: int = MAX_BYTES) -> Any:
    """The document in ``path``.

    Args:
        path: a plain file, or a link to one.
        constants: take NaN and Infinity, as Python writes them; JSON itself has no such numbers.
        limit: bytes that it may have.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such file.
        ValueError: it is no file, too large, empty, not plain UTF-8, no JSON, nested too deeply, or
            has a key twice, of which parsers keep one or the other.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if not path.is_file():  # reading a pipe would wait for ever, a device would never end
        raise ValueError("not a plain file")
    if size > limit:
        raise ValueError(f"{size:,} bytes, at most {limit:,} are read")
    try:
        return parse(path.read_bytes(), constants=constants)
    except json.JSONDecodeError:
        if git_lfs.is_pointer(path):
            raise ValueError(git_lfs.EXPLANATION) from None
        raise


def parse(data: bytes, *, constants: bool = True) -> Any:
    """The document ``data``, read as :func:`load` reads a file.

    Raises:
        ValueError: it is empty, not plain UTF-8, no JSON, nested too deeply, or has a key twice.
    """
    try:
        return json.loads(
            _text(data),
            parse_constant=None if constants else _refuse,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _text(data: bytes) -> str:
    """A byte-order mark is refused, as other readers of the same file, and of its copies, do."""
    if data.startswith(codecs.BOM_UTF8):
        raise ValueError("begins with a byte-order mark; save it as UTF-8 without one")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("is UTF-16; save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {data[error.start]:#04x} at {error.start:,}") from None
    if not text.strip():
        raise ValueError("is empty" if not data else "is blank")
    return text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:80]!r} occurs twice")
    return found


def json_ready(value: Any) -> Any:
    """Nested lists and objects, what JSON has no number for as text: ``NaN``, ``Infinity``."""
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
