"""String literals of Swift sources, and their code without any: as much as tests need."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Literal:
    """A string literal: its text as the key of a localized string, and what stands before it."""

    key: str
    before: str
    line: int


def read(source: str) -> tuple[list[Literal], str]:
    """Every literal of ``source``, and the code with all literals and comments blank.

    Interpolations are code. In a key they stand as ``%@``, as their ``specifier:``, or, of an App
    Shortcut's phrase, as ``${applicationName}``.
    """
    reader = _Reader(source)
    code = reader.code(0, nested=False)[0]
    return reader.literals, code


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.literals: list[Literal] = []

    def code(self, at: int, *, nested: bool) -> tuple[str, int]:
        """Code from ``at`` on, to the end or, inside an interpolation, to its bracket."""
        source, out, depth = self.source, "", 0
        while at < len(source):
            if source.startswith("//", at):
                at = _after(source, "\n", at, keep=True)
            elif source.startswith("/*", at):
                at = _after(source, "*/", at)
            elif source[at] == '"':
                text, at = self.literal(at, out)
                out += text
            else:
                depth += {"(": 1, ")": -1}.get(source[at], 0)
                if nested and depth < 0:
                    return out, at
                out += source[at]
                at += 1
        return out, at

    def literal(self, start: int, before: str) -> tuple[str, int]:
        """The literal at ``start``: its code, which its interpolations are, and where it ends."""
        source = self.source
        quote = '"""' if source.startswith('"""', start) else '"'
        at, key, inner, place = start + len(quote), "", "", len(self.literals)
        while not source.startswith(quote, at):
            if source.startswith("\\(", at):
                count = len(self.literals)
                expression, at = self.code(at + 2, nested=True)
                key += self._placeholder(expression, self.literals[count:])
                inner += f"({expression})"
                at += 1
            elif source[at] == "\\":
                key += {"n": "\n", "\n": "\\\n"}.get(source[at + 1], source[at + 1])
                at += 2
            else:
                key += source[at]
                at += 1
        if quote == '"""':
            key = _dedented(key, source[source.rindex("\n", 0, at) + 1 : at])
        line = source.count("\n", 0, start) + 1
        self.literals.insert(place, Literal(key, before[-60:], line))
        return f'""{inner}', at + len(quote)

    @staticmethod
    def _placeholder(expression: str, inside: list[Literal]) -> str:
        if expression.strip() == ".applicationName":
            return "${applicationName}"
        if 'specifier: ""' in expression:
            return next(found.key for found in inside if found.before.endswith("specifier: "))
        return "%@"


def _after(source: str, end: str, at: int, *, keep: bool = False) -> int:
    found = source.find(end, at)
    if found < 0:
        return len(source)
    return found if keep else found + len(end)


def _dedented(text: str, indent: str) -> str:
    lines = [line.removeprefix(indent) for line in text.split("\n")[1:-1]]
    return "\n".join(lines).replace("\\\n", "")
