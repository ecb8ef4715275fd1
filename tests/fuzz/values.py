"""Values and texts that readers tend not to expect."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

# Names that lead out of the input; OUTSIDE is replaced by the folder that must not be touched.
OUTSIDE = "@outside@"
ESCAPES = (
    "../outside/secret.json", "../outside", "..", ".", "", "/", OUTSIDE, f"{OUTSIDE}/secret.json",
    "llm/../../outside/secret.json", "/etc/passwd", "a\0b", "..\\outside\\secret.json",
    "C:\\secret.json", "~/secret.json", "file:///etc/passwd", "/dev/zero", "/dev/stdin",
    "a/" * 3000, "x" * 300, "CON", "manifest.json/x", "\udcff", "\ud800",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 7, 64, 255, 256, 65_535, 1 << 20, 1 << 24, (1 << 31) - 1, 1 << 31, 1 << 32,
    (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 63), 10**400, -(10**400),
    0.5, -0.0, 1e-320, 1e38, 1e308, float("inf"), -float("inf"), float("nan"), 1.0000001,
)  # fmt: skip
TEXTS = (
    *ESCAPES, "\n", "line\nbreak\r\n", "\x1b[31mred", "\u202eabc", "{user}", "{0}",
    "{user.__class__}", "%s%n", "é", "e\u0301", "İ", "ﬁ", "\U0001f7e6", "true", "null", "-1",
    "1e999", "9" * 400,
    "float32", "F32", "BF16", "main", "\ufeff", "x" * 100_000, "(a+)+$", "[", "(?P<", "*" * 50,
)  # fmt: skip


def hostile(random: Random) -> Any:  # noqa: PLR0911 - one a kind
    """Any JSON value, seldom one that was expected."""
    kind = random.randrange(12)
    if kind < 4:
        return random.choice(NUMBERS)
    if kind < 7:
        return random.choice(TEXTS)
    if kind == 7:
        return random.choice((None, True, False))
    if kind == 8:
        return random.choice(([], {}, [[]], [{}], {"": None}, [None], [0, 0], {"a": {"b": []}}))
    if kind == 9:
        return [random.choice(NUMBERS) for _ in range(random.choice((1, 4, 17, 65, 2000)))]
    if kind == 10:
        return {random.choice(TEXTS): random.choice(NUMBERS) for _ in range(random.randrange(5))}
    return nested(random.choice((10, 100, 2000)), random.choice("[{"))


def nested(depth: int, bracket: str) -> Any:
    """Lists or objects within each other; deeper than the parser allows goes by text."""
    value: Any = 0
    for _ in range(min(depth, 300)):
        value = [value] if bracket == "[" else {"a": value}
    return value


def change(random: Random, document: Any) -> tuple[Any, str]:
    """The document with one to three places changed, and where."""
    told = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = list(_places(document))
        if not places:
            return hostile(random), "the whole"
        holder, key = random.choice(places)
        told.append(_change_at(random, holder, key))
    return document, ", ".join(told)


def _places(document: Any) -> Any:
    stack = [document]
    while stack:
        holder = stack.pop()
        if isinstance(holder, dict | list):
            for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
                yield holder, key
                stack.append(holder[key])


def _change_at(random: Random, holder: Any, key: Any) -> str:  # noqa: PLR0911 - one a kind
    old = holder[key]
    action = random.randrange(9)
    if action == 0:
        del holder[key]
        return f"-{key}"
    if action == 1 and isinstance(holder, dict):
        new = random.choice((*TEXTS, str(key).upper(), f"{key} ", f"{key}\u0301"))
        holder[new] = holder.pop(key)
        return f"{key} renamed"
    if action == 2:
        holder[key] = random.choice(([old], {"value": old}, str(old), [old, old]))
        return f"{key} wrapped"
    if action == 3 and len(holder) > 1:
        other = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        holder[key], holder[other] = holder[other], holder[key]
        return f"{key} swapped with {other}"
    if action == 4 and isinstance(old, int | float) and not isinstance(old, bool):
        holder[key] = random.choice((old + 1, -old, old * 2, old // 2, old * 2**32, str(old)))
        return f"{key} = {str(holder[key])[:30]}"
    if action == 5 and isinstance(holder, list):
        holder.insert(key, old)
        return f"{key} doubled"
    if action == 6 and isinstance(old, str):
        holder[key] = random.choice((old + "\0", old.upper(), f"../{old}", f"/{old}", old[:-1]))
        return f"{key} = {holder[key][:30]!r}"
    holder[key] = hostile(random)
    return f"{key} = {str(holder[key])[:30]!r}"


def encode(random: Random, document: Any) -> tuple[bytes, str]:
    """A document as JSON, sometimes in a form that not every parser takes the same way."""
    text = json.dumps(document)
    form = random.randrange(14)
    if form == 0:
        keys = list(re.finditer(r'"(?:[^"\\]|\\.)*": ', text))
        if keys:
            found = random.choice(keys)
            twice = f"{found[0]}{json.dumps(random.choice(NUMBERS[:20]))}, "
            return (text[: found.start()] + twice + text[found.start() :]).encode(), "a key twice"
    if form == 1:
        depth = random.choice((500, 5000, 200_000))
        at = random.randrange(len(text) + 1)
        return (text[:at] + "[" * depth + "]" * depth + text[at:]).encode(), f"{depth} deep"
    if form == 2:
        data = text.encode()
        at = random.randrange(len(data) + 1)
        return data[:at] + random.choice((b"\xff", b"\xc3(", b"\xed\xa0")) + data[at:], "not UTF-8"
    if form == 3:
        codec = random.choice(("utf-16", "utf-32", "utf-8-sig", "latin-1"))
        return text.encode(codec, "replace"), codec
    return text.encode(), ""
