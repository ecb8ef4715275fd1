"""Garbage collection, kept out of the way where a million objects are made that stay."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def paused() -> Iterator[None]:
    """Let Python look for no cycles during the block: a quarter of what importing torch takes.

    Importing the libraries of a reference makes half a million objects, which are looked through
    again and again as they become more. What is not in a cycle is freed as ever.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def settle() -> None:
    """Leave what exists now out of every later search: in our own processes, once libraries are in.

    coremltools asks for a whole search with each conversion, and a forked child that looks through
    what it shares with its parent copies it.
    """
    gc.collect()
    gc.freeze()


def leave() -> None:
    """Look for nothing any more: the end of a program, a second of it where libraries are in.

    Python looks through all there is before it ends, and the system takes it back as it is.
    """
    gc.disable()
    gc.freeze()
