"""Write the Swift package's tables: the two schemas, and what `tokenizers` knows of Unicode.

The library's own tables decide how a text is split and normalized (its NFC is that of Unicode 9,
its classes of letters are Oniguruma's), so that they are asked for every code point instead of
being taken from a newer Unicode; a phone whose system is updated makes the same tokens.

    python ios_app/Tests/Python/tables.py [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "ios_app" / "Sources" / "MobileO"
_SURROGATES = range(0xD800, 0xE000)
_HANGUL = range(0xAC00, 0xD7A4)
_JAMO = range(0x1100, 0x1200)
_LAST = 0x110000
_LATE = "\u0301"  # of combining class 230
_EARLY = "\u0334"  # of combining class 1
_WIDTH = 96
_CLASSES = {"letters": r"\p{L}", "numbers": r"\p{N}", "blanks": r"\s"}


def characters() -> Iterator[str]:
    """Every code point that a text can hold."""
    return (chr(code) for code in range(_LAST) if code not in _SURROGATES)


def classes() -> dict[str, list[tuple[int, int]]]:
    """Ranges of each class that the splits name, as the library's regular expressions have them."""
    from tokenizers import Regex, pre_tokenizers

    found = {}
    for name, pattern in _CLASSES.items():
        split = pre_tokenizers.Split(Regex(pattern), "removed")
        codes = []
        block = 4096
        for start in range(0, _LAST, block):
            text = "".join(chr(c) for c in range(start, start + block) if c not in _SURROGATES)
            kept = {c for piece, _ in split.pre_tokenize_str(text) for c in piece}
            codes += [ord(c) for c in text if c not in kept]
        found[name] = list(ranges(codes))
    return found


def ranges(codes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Runs of rising ``codes``, as first and last."""
    first = last = -2
    for code in codes:
        if code != last + 1:
            if first >= 0:
                yield first, last
            first = code
        last = code
    if first >= 0:
        yield first, last


def decompositions() -> dict[int, str]:
    """What the library's NFD makes of one character, where that is not itself; Hangul left out."""
    from tokenizers.normalizers import NFD

    made = {c: NFD().normalize_str(c) for c in characters() if ord(c) not in _HANGUL}
    return {ord(c): text for c, text in made.items() if text != c}


def compositions(decomposed: dict[int, str]) -> list[tuple[int, int, int]]:
    """First, second and what the library's NFC makes of the two."""
    from tokenizers.normalizers import NFC

    found = set()
    for code in decomposed:
        canonical = unicodedata.decomposition(chr(code)).split()
        if len(canonical) == 2 and not canonical[0].startswith("<"):
            first, second = (int(part, 16) for part in canonical)
            if NFC().normalize_str(chr(first) + chr(second)) == chr(code):
                found.add((first, second, code))
    return sorted(found)


def combining() -> dict[int, int]:
    """The combining class of every mark that the library moves, as Python's Unicode has it."""
    from tokenizers.normalizers import NFD

    found = {}
    for c in characters():
        number = unicodedata.combining(c)
        if not number or len(NFD().normalize_str(c)) != 1:
            continue
        pair = c + _EARLY if number > 1 else _LATE + c
        if NFD().normalize_str(pair) != pair:
            found[ord(c)] = number
    return found


def swift() -> dict[str, str]:
    """The text of every generated file, by its path below the sources."""
    decomposed = decompositions()
    table = {
        **{name: " ".join(_range(*r) for r in found) for name, found in classes().items()},
        "decompositions": " ".join(
            f"{code:X}:{'+'.join(f'{ord(c):X}' for c in text)}"
            for code, text in sorted(decomposed.items())
        ),
        "compositions": " ".join(f"{a:X}+{b:X}:{c:X}" for a, b, c in compositions(decomposed)),
        "combiningClasses": " ".join(
            f"{_range(first, last)}:{number}"
            for number, codes in _by_class(combining()).items()
            for first, last in ranges(codes)
        ),
    }
    notes = {
        "letters": "`\\p{L}`: ranges of code points in hexadecimal.",
        "numbers": "`\\p{N}`.",
        "blanks": "`\\s`.",
        "decompositions": "What NFD makes of a character; Hangul is computed.",
        "compositions": "Which two characters NFC makes one of.",
        "combiningClasses": "Ranges, and the combining class of each; 0 where there is none.",
    }
    body = "".join(
        f"\n  /// {notes[name]}\n  static let {name} = {_literal(text, '  ')}\n"
        for name, text in table.items()
    )
    head = (
        "// Written by ios_app/Tests/Python/tables.py; do not edit.\n\n"
        "/// What the `tokenizers` library knows of Unicode, asked for every code point.\n"
    )
    files = {
        "Tokenizer/UnicodeTables.swift": f"{head}enum UnicodeTables {{{body}}}\n",
    }
    for name, where, path in (
        ("manifestSchema", "Bundle/ManifestSchema.swift", "bundle/manifest.schema.json"),
        ("indexSchema", "Golden/IndexSchema.swift", "parity/golden/index.schema.json"),
    ):
        document: Any = json.loads((ROOT / "mobileo_export" / path).read_text(encoding="utf-8"))
        text = json.dumps(_plain(document), separators=(", ", ":"), ensure_ascii=True)
        files[where] = (
            "// Written by ios_app/Tests/Python/tables.py; do not edit.\n\n"
            f"/// mobileo_export/{path}, without its descriptions.\n"
            f"let {name} = {_literal(text, '', '#')}\n"
        )
    return files


def _plain(value: Any, names: bool = False) -> Any:
    """A schema without what only people read; ``names`` where keys are names of fields."""
    if isinstance(value, dict):
        return {
            key: _plain(item, key in {"properties", "$defs"} and not names)
            for key, item in value.items()
            if names or key not in {"description", "title", "$id", "$schema"}
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _by_class(numbers: dict[int, int]) -> dict[int, list[int]]:
    grouped: dict[int, list[int]] = {}
    for code in sorted(numbers):
        grouped.setdefault(numbers[code], []).append(code)
    return dict(sorted(grouped.items()))


def _range(first: int, last: int) -> str:
    return f"{first:X}" if first == last else f"{first:X}-{last:X}"


def _literal(text: str, indent: str, mark: str = "") -> str:
    """A string of many lines that reads as one: every line but the last ends in a backslash."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + len(word) + 1 <= _WIDTH - len(indent):
            lines[-1] += " " + word
        else:
            lines.append(word)
    joined = f" \\{mark}\n{indent}  ".join(lines)
    return f'{mark}"""\n{indent}  {joined}\n{indent}  """{mark}'


def main() -> int:
    """Write the files, or with ``--check`` name those that are not as they would be written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a file differs")
    check = parser.parse_args().check
    differing = 0
    for name, text in swift().items():
        path = SOURCES / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        differing += 1
        if check:
            print(f"{path}: is not what this script writes; run it without --check")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return int(check and differing > 0)


if __name__ == "__main__":
    sys.exit(main())
