"""Weights in pages of a file: the same numbers, none of the memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.mapped_weights import FileBackedCheckpoint, MappedPages
from mobileo_export.components import COMPONENTS

NAMES = tuple(COMPONENTS)


@pytest.mark.parametrize("component", NAMES)
def test_values_are_the_same(component: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    plain = Checkpoint.open(tiny_checkpoint)
    backed = FileBackedCheckpoint.open(tiny_checkpoint)
    tensors = COMPONENTS[component].tensors(plain.model)
    backed.reserve(tmp_path, tensors.values())
    found = {name: backed.read(name, "post-trained") for name in tensors}
    # Compared after all are read: no two may share a place.
    for name, values in found.items():
        np.testing.assert_array_equal(values, plain.read(name, "post-trained"), strict=True)
        assert values.ctypes.data % 64 == 0 or values.dtype != np.float32
    assert list(tmp_path.iterdir()) == []


def test_unreserved_reads_are_plain(tiny_checkpoint: Path) -> None:
    checkpoint = FileBackedCheckpoint.open(tiny_checkpoint)
    assert checkpoint.read("model.norm.weight", "released").flags.owndata


def test_more_than_reserved_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = FileBackedCheckpoint.open(tiny_checkpoint)
    checkpoint.reserve(tmp_path, [(4,)])
    with pytest.raises(ValueError, match=r"model\.norm\.weight: 512 bytes asked of 64 reserved"):
        checkpoint.read("model.norm.weight", "released")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_pages_do_not_count_as_memory(tiny_checkpoint: Path, tmp_path: Path) -> None:
    program = f"""
import os
from pathlib import Path
from benchmarks.memory import tree_bytes
from mobileo_export.checkpoint.mapped_weights import FileBackedCheckpoint, MappedPages
checkpoint = FileBackedCheckpoint.open(Path({str(tiny_checkpoint)!r}))
name = "model.embed_tokens.weight"
checkpoint.reserve(Path({str(tmp_path)!r}), [(512, 128)] * 800)
before = tree_bytes(os.getpid())
kept = [checkpoint.read(name, "released") for _ in range(800)]
print(sum(array.nbytes for array in kept), tree_bytes(os.getpid()) - before)
"""
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    stored, grown = map(int, output.split())
    assert stored == 800 * 512 * 128 * 4
    assert grown < stored / 20


def test_room_is_kept_without_a_copy(tmp_path: Path) -> None:
    pages = MappedPages(tmp_path, [100, 100])
    one = pages.room(25, np.float32)
    one[...] = 1
    assert pages.keep(one).ctypes.data == one.ctypes.data
    # What was written to a room and not kept is lost to the next.
    lost = pages.room((5, 5), np.float32)
    lost[...] = 2
    kept = pages.keep(np.full((5, 5), 3, np.float32))
    assert kept.ctypes.data == lost.ctypes.data > one.ctypes.data
    assert (one == 1).all()
    assert (kept == 3).all()
    with pytest.raises(ValueError, match="bytes asked of"):
        pages.room(1, np.float32)
