"""Two JSON documents, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ABSENT = "(absent)"
_INLINE = 8  # values up to which a list is one value and not a table


@dataclass(frozen=True)
class ChangedField:
    """One value that differs; :data:`ABSENT` stands for none. ``path`` is dotted."""

    path: str
    old: Any
    new: Any


def compare(
    old: Mapping[str, Any], new: Mapping[str, Any], left_out: Sequence[str]
) -> tuple[ChangedField, ...]:
    """The fields that differ, in path order.

    Args:
        old: a JSON object.
        new: another.
        left_out: patterns of paths whose subtrees are not looked at; ``*`` is one key.
    """
    found = _differences("", old, new, left_out)
    return tuple(sorted(found, key=lambda field: field.path))


def _differences(path: str, old: Any, new: Any, left_out: Sequence[str]) -> Iterator[ChangedField]:
    if path and any(_matches(path, pattern) for pattern in left_out):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            below = f"{path}.{key}" if path else key
            yield from _differences(below, old.get(key, ABSENT), new.get(key, ABSENT), left_out)
    elif isinstance(old, dict) or isinstance(new, dict):
        # Told by its leaves: a component that came or went would be pages as one value.
        one = old if isinstance(old, dict) else new
        if not one:
            yield ChangedField(path, old, new)
        for key, value in one.items():
            before, after = (value, ABSENT) if one is old else (ABSENT, value)
            yield from _differences(f"{path}.{key}", before, after, left_out)
    elif isinstance(old, list) and isinstance(new, list) and _by_item(old, new):
        for index in range(max(len(old), len(new))):
            before, after = (s[index] if index < len(s) else ABSENT for s in (old, new))
            yield from _differences(f"{path}.{index}", before, after, left_out)
    elif not same(old, new):
        yield ChangedField(path, old, new)


def same(old: Any, new: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not."""
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def _by_item(old: list[Any], new: list[Any]) -> bool:
    nested = any(isinstance(item, dict | list) for item in (*old, *new))
    return nested or max(len(old), len(new)) > _INLINE


def _matches(path: str, pattern: str) -> bool:
    parts, wanted = path.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
