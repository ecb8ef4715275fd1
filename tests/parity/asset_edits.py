"""Damage to the projector's asset of a Core AI bundle, where it lies in the file."""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from mobileo_export.artifacts.aimodel import asset, program

if TYPE_CHECKING:
    from pathlib import Path

MCP = "connector.aimodel"


def changed(
    bundle: Path, copy: Path, change: Callable[[bytearray, program.AssetProgram], None]
) -> Path:
    """A copy of the bundle whose projector's program ``change`` has edited, hash and all."""
    shutil.copytree(bundle, copy)
    file = copy / MCP / asset.PROGRAM
    data = bytearray(file.read_bytes())
    change(data, program.read(copy / MCP))
    file.write_bytes(data)
    (copy / MCP / asset.HASH).write_bytes(hashlib.sha256(data).digest())
    return copy


def other_epsilon(data: bytearray, held: program.AssetProgram) -> None:
    """Give the norms 1e-2 instead of 1e-5."""
    start, end = held.attributes.offset, held.attributes.offset + held.attributes.size
    old, new = struct.pack("<f", 1e-5), struct.pack("<f", 1e-2)
    part = bytes(data[start:end])
    assert old in part
    data[start:end] = part.replace(old, new)
