"""Hypothesis strategies: documents that look like ours, which shrink to the smallest that fails."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from .values import NUMBERS, TEXTS

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

_FINITE = [number for number in NUMBERS if isinstance(number, int) or math.isfinite(number)]


def leaves() -> SearchStrategy[Any]:
    """Values without structure, hostile ones among them."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(_FINITE),
        st.sampled_from([text for text in TEXTS if len(text) < 1000]),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
    )


def documents() -> SearchStrategy[Any]:
    """Any JSON value of a few levels."""
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
        ),
        max_leaves=8,
    )


@st.composite
def edited(draw: DrawFn, document: Any) -> Any:
    """``document`` with one to three of its values replaced, removed or moved elsewhere."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        holder, key = changed, None
        while isinstance(holder, dict | list) and holder:
            keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
            key = draw(st.sampled_from(keys))
            inner = holder[key]
            if not (isinstance(inner, dict | list) and inner) or draw(st.integers(0, 3)) == 0:
                break
            holder = inner
        if key is None:
            return draw(documents())
        if draw(st.booleans()):
            holder[key] = draw(documents())
        else:
            del holder[key]
    return changed


@st.composite
def headers(draw: DrawFn, header: dict[str, Any]) -> dict[str, Any]:
    """A safetensors header with offsets, shapes or dtypes that do not go together."""
    changed = copy.deepcopy(header)
    names = sorted(name for name in changed if name != "__metadata__")
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(names))
        entry = changed[name]
        part = draw(st.sampled_from(["data_offsets", "shape", "dtype", "all"]))
        if part == "all" or not isinstance(entry, dict):  # it may have been replaced before
            changed[name] = draw(documents())
        elif part == "data_offsets":
            entry[part] = draw(st.lists(st.integers(-2, 1 << 64), min_size=2, max_size=2))
        elif part == "shape":
            entry[part] = draw(st.lists(st.sampled_from([0, 1, 2, 1 << 31, 1 << 63]), max_size=5))
        else:
            entry[part] = draw(st.sampled_from(["F32", "F64", "I64", "BF16", "U8", "F4", ""]))
    return changed
