"""Bounds that keep a hostile package from exhausting the machine.

A package of a few hundred bytes can ask for terabytes (``fill`` with a large shape). Every value's
size is therefore checked before it is allocated: declared shapes when the package is loaded, and
shapes known only during a run by the kernels that can grow a value (:func:`guard`).
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Limits:
    """What one run may use.

    Attributes:
        value_bytes: largest size of a single value.
        loop_iterations: most rounds of a single ``while_loop``.
    """

    value_bytes: int = 4 << 30
    loop_iterations: int = 1_000_000


class LimitError(ValueError):
    """A value would exceed the limits; the interpreter adds where and in which package."""


_ITEM = 4  # bytes of an element, unless told otherwise
_limits: ContextVar[Limits] = ContextVar("limits", default=Limits())  # noqa: B039 - frozen


@contextmanager
def enforcing(limits: Limits) -> Iterator[None]:
    """Make ``limits`` the ones :func:`guard` checks against."""
    token = _limits.set(limits)
    try:
        yield
    finally:
        _limits.reset(token)


def current() -> Limits:
    """The limits in force."""
    return _limits.get()


def guard_broadcast(*shapes: Sequence[int]) -> None:
    """Refuse what broadcasting ``shapes`` against each other would make."""
    most = math.prod([max(1, size) for shape in shapes for size in shape])
    if most * _ITEM <= _limits.get().value_bytes:  # however they are broadcast
        return
    rank = max(map(len, shapes))
    aligned = [[1] * (rank - len(shape)) + list(shape) for shape in shapes]
    guard([max(sizes) for sizes in zip(*aligned, strict=True)])


def guard(shape: Sequence[int], itemsize: int = _ITEM) -> None:
    """Refuse a value of ``shape`` that the limits do not allow, before it is allocated."""
    if any(size < 0 for size in shape):
        raise LimitError(f"a value of shape {list(shape)} cannot exist")
    # An empty axis makes no other one harmless: kernels count along each of them.
    size = math.prod(max(1, size) for size in shape) * itemsize
    bound = _limits.get().value_bytes
    if size > bound:
        raise LimitError(
            f"a value of shape {list(shape)} would take {size:,} bytes (limit {bound:,})"
        )
