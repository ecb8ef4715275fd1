"""A reader of the property lists of Xcode projects: dictionaries, lists, words, quoted words."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(r'\s+|//[^\n]*|/\*.*?\*/|"((?:\\.|[^"\\])*)"|([\w$./]+)|([{}()=;,])', re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t"}


def loads(text: str) -> Any:
    """The value in ``text``.

    Raises:
        ValueError: it is no such list, or two keys of a dictionary are one.
    """
    tokens = _tokens(text)
    value, at = _value(tokens, 0)
    if at != len(tokens):
        raise ValueError(f"{tokens[at]!r} behind the end")
    return value


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{text[at : at + 20]!r} is no word")
        at = match.end()
        quoted, word, sign = match.groups()
        if quoted is not None:
            plain = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), quoted)
            found.append(("word", plain))
        elif word is not None:
            found.append(("word", word))
        elif sign is not None:
            found.append(("sign", sign))
    return found


def _value(tokens: list[tuple[str, str]], at: int) -> tuple[Any, int]:
    kind, text = _at(tokens, at)
    if kind == "word":
        return text, at + 1
    if text == "{":
        return _dictionary(tokens, at + 1)
    if text == "(":
        return _list(tokens, at + 1)
    raise ValueError(f"{text!r} where a value is expected")


def _dictionary(tokens: list[tuple[str, str]], at: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while _at(tokens, at) != ("sign", "}"):
        key = _at(tokens, at)[1]
        if key in found:
            raise ValueError(f"{key} stands twice")
        _expect(tokens, at + 1, "=")
        found[key], at = _value(tokens, at + 2)
        _expect(tokens, at, ";")
        at += 1
    return found, at + 1


def _list(tokens: list[tuple[str, str]], at: int) -> tuple[list[Any], int]:
    found = []
    while _at(tokens, at) != ("sign", ")"):
        value, at = _value(tokens, at)
        found.append(value)
        _expect(tokens, at, ",")
        at += 1
    return found, at + 1


def _at(tokens: list[tuple[str, str]], at: int) -> tuple[str, str]:
    if at >= len(tokens):
        raise ValueError("it ends too early")
    return tokens[at]


def _expect(tokens: list[tuple[str, str]], at: int, sign: str) -> None:
    if _at(tokens, at) != ("sign", sign):
        raise ValueError(f"{_at(tokens, at)[1]!r} where {sign!r} is expected")
