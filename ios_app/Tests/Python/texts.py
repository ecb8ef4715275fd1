"""Texts that a tokenizer may stumble over: the small set is committed, the large one swept."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from mobileo_export.parity.golden import parts
from mobileo_export.random_checkpoint.tokenizer import SPECIAL_TOKENS

ROOT = Path(__file__).resolve().parents[3]
# First and last code point of what most of a script is written in.
SCRIPTS = {
    "latin": (0x0041, 0x024F), "greek": (0x0370, 0x03FF), "cyrillic": (0x0400, 0x04FF),
    "armenian": (0x0531, 0x058F), "hebrew": (0x0590, 0x05FF), "arabic": (0x0600, 0x06FF),
    "devanagari": (0x0900, 0x097F), "bengali": (0x0980, 0x09FF), "tamil": (0x0B80, 0x0BFF),
    "telugu": (0x0C00, 0x0C7F), "thai": (0x0E00, 0x0E7F), "tibetan": (0x0F00, 0x0FFF),
    "georgian": (0x10A0, 0x10FF), "ethiopic": (0x1200, 0x137F), "khmer": (0x1780, 0x17FF),
    "kana": (0x3040, 0x30FF), "han": (0x4E00, 0x9FFF), "hangul": (0xAC00, 0xD7A3),
    "jamo": (0x1100, 0x11FF), "emoji": (0x1F300, 0x1FAFF),
}  # fmt: skip
_COLORS = ("red", "blue", "green", "teal", "Magenta", "off-white")
_THINGS = ("circle", "bicycle", "café", "child's drawing", "7 dogs", "sign that says 'STOP!'")
_PLACES = ("above a small square", "in the rain", "at 10:45 a.m.", "(35mm, f/1.8)", "on Mars…")
_BLANKS = " \t\n\r\u00a0\u2003\u3000\x0b\x0c\x85\u2028 \n "
_MARKS = [c for c in map(chr, range(0x0300, 0x20F1)) if unicodedata.combining(c)]


def texts(large: bool) -> Iterator[str]:
    """Every text, the same ones every time."""
    chance = random.Random(17)
    yield from parts.TEXTS
    for name in SPECIAL_TOKENS:
        yield f"{name}{name} x{name}y {name[:-1]}"
    prompts = [f"a {c} {t} {p}" for c in _COLORS for t in _THINGS for p in _PLACES]
    yield from prompts if large else prompts[::9]
    code = sorted((ROOT / "mobileo_export").rglob("*.py"))
    lines = [line for path in code for line in path.read_text(encoding="utf-8").splitlines()]
    yield from dict.fromkeys(lines[:20000] if large else lines[:60])
    for first, last in SCRIPTS.values():
        for _ in range(600 if large else 8):
            yield _words(chance, [chr(c) for c in range(first, last + 1)])
    yield from _fuzz(chance, 4000 if large else 40)
    if large:
        yield from _code_points()
        yield from (chr(97 + n) * 1500 + chr(97 + n) for n in range(20))
        yield from (" " * n for n in range(1, 300))


def _words(chance: random.Random, letters: list[str]) -> str:
    known = [c for c in letters if unicodedata.category(c) != "Cn"]
    words = ["".join(chance.choices(known, k=chance.randint(1, 9))) for _ in range(4)]
    return chance.choice((" ", "  ", ", ", "\n", "-")).join(words)


def _fuzz(chance: random.Random, count: int) -> Iterator[str]:
    """Blanks, marks out of order, apostrophes, random bytes, mixtures."""
    pool = (
        "aZé0٣½'\u2019sS\u017ftTrReEvVmMlLdDkK.!?#\"<|>_" + _BLANKS + "中ア한\u0301\u0323\u200d👍🏽"
    )
    for _ in range(count):
        yield "".join(chance.choices(_BLANKS + "ab1.", k=chance.randint(1, 12)))
        marks = "".join(chance.choices(_MARKS, k=chance.randint(1, 5)))
        yield chance.choice("aeiouAEIOUαωяक한가") + marks + "x"
        yield "'" + "".join(chance.choices("sStTrReEvVmMlLdD\u017fKx", k=chance.randint(1, 4)))
        yield bytes(chance.choices(range(256), k=chance.randint(1, 24))).decode("utf-8", "replace")
        yield "".join(chance.choices(pool, k=chance.randint(1, 30)))


def _code_points() -> Iterator[str]:
    """Every assigned one by itself, and those of small scripts among letters, digits and blanks."""
    for code in range(0x110000):
        c = chr(code)
        category = unicodedata.category(c)
        if category in {"Cs", "Cn", "Co"}:
            continue
        yield c
        if not (0x3400 <= code <= 0x9FFF or 0xAC00 <= code <= 0xD7A3 or code >= 0x17000):
            yield f"a{c}b {c}1{c}'{c} \n{c}"
    for start in range(0xE000, 0xF900, 16):
        yield "".join(map(chr, range(start, start + 16)))
