"""Names in a saved program by number instead of chance: same model, same bytes.

The library calls a graph that it makes itself by random letters, and a large constant by a hash of
its contents that is seeded anew in every process. Nothing but names differs.
"""

from __future__ import annotations

import itertools
import mmap
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mobileo_export.artifacts.aimodel import asset, program
from mobileo_export.bundle import seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def graphs() -> Iterator[None]:
    """Graphs that the library makes meanwhile are numbered."""
    from coreai.authoring import graph_builder

    original, numbers = graph_builder._randomize_fn_name, itertools.count()
    graph_builder._randomize_fn_name = lambda name: f"{name}_{next(numbers)}"
    try:
        yield
    finally:
        graph_builder._randomize_fn_name = original


def constants(path: Path) -> None:
    """Number the large constants in the program of the asset ``path``, and state its new sha256.

    Strings are the last but one section of a program, after all that is large: what follows them
    is written anew behind other strings.
    """
    file = path / asset.PROGRAM
    with file.open("r+b") as opened:
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            strings = dict(program.sections(data))[program.STRINGS]
            texts = _texts(data[strings.offset : strings.offset + strings.size])
            for number, name in enumerate(program.names(data)):
                texts[name] = b"resource_%d\0" % number
            rest = data[strings.offset + strings.size :]
            start = strings.offset - len(_integer(strings.size)) - 1
        opened.seek(start)
        section = _section(texts)
        opened.write(bytes([program.STRINGS]) + _integer(len(section)) + section + rest)
        opened.truncate()
    (path / asset.HASH).write_bytes(bytes.fromhex(seal.digest(file)))


def _texts(section: bytes) -> list[bytes]:
    """The strings of the section, each with the zero that ends it."""
    count, place = program.integer(section, 0)
    found, end = [], len(section)
    for _ in range(count):  # lengths are given from the last string on
        size, place = program.integer(section, place)
        found.append(section[end - size : end])
        end -= size
    return found[::-1]


def _section(texts: list[bytes]) -> bytes:
    lengths = b"".join(_integer(len(text)) for text in reversed(texts))
    return _integer(len(texts)) + lengths + b"".join(texts)


def _integer(value: int) -> bytes:
    """As :func:`program.integer` reads it, in the fewest bytes."""
    size = max(1, -(-value.bit_length() // 7))
    if size > 8:
        return b"\0" + value.to_bytes(8, "little")
    return ((value << size) | (1 << (size - 1))).to_bytes(size, "little")
