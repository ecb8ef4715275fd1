"""A plan that people can read: patterns where matrices of one kind are stored alike."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.)")
_FALLBACK = "exact"  # of what no pattern fits


def rules(schemes: Mapping[str, str]) -> dict[str, str]:
    """The shortest patterns found that give each matrix its scheme, the first that fits deciding.

    One for all, one for each kind of matrix (of all blocks) that differs, then single ones; they
    are written in the other order.
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    for matrix in schemes:
        kinds[_NUMBER.sub("*", matrix)].append(matrix)
    everywhere = _most(schemes.values())
    found = [] if everywhere == _FALLBACK else [("*", everywhere)]
    for kind, members in kinds.items():
        usual = _most(schemes[name] for name in members)
        if len(members) > 1 and usual != everywhere:
            found.insert(0, (kind, usual))
    for matrix, scheme in reversed(list(schemes.items())):
        if _scheme(found, matrix) != scheme:
            found.insert(0, (matrix, scheme))
    return _needed(found, schemes)


def _scheme(found: Iterable[tuple[str, str]], matrix: str) -> str:
    return next((s for pattern, s in found if fnmatchcase(matrix, pattern)), _FALLBACK)


def _needed(found: list[tuple[str, str]], schemes: Mapping[str, str]) -> dict[str, str]:
    """``found`` without what others say too, or what fits nothing any more."""
    for rule in list(found):
        rest = [other for other in found if other != rule]
        if all(_scheme(rest, matrix) == scheme for matrix, scheme in schemes.items()):
            found = rest
    return dict(found)


def _most(schemes: Iterable[str]) -> str:
    counted = Counter(schemes)
    return min(counted, key=lambda scheme: (-counted[scheme], scheme))
