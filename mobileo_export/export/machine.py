"""Whether a machine has what an export takes: memory and disk, told before any work."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mobileo_export import memory, sizes
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.export.plan import Plan

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_bytes(text: str) -> int:
    """``"1.5GB"``, ``"800 MB"`` or ``"2GiB"`` in bytes.

    Raises:
        UsageError: it is none of these.
    """
    plain = text.strip().upper().removesuffix("B")
    binary = plain.endswith("I")
    plain = plain.removesuffix("I")
    unit = plain[-1:] if plain[-1:] in _UNITS else ""
    try:
        number = float(plain.removesuffix(unit))
        scale = 1024 ** ("KMGT".index(unit or "?") + 1) if binary else _UNITS[unit]
        count = int(number * scale)
    except (ValueError, OverflowError):
        count = 0
    if count <= 0:
        raise UsageError(f"{text!r}: expected a size such as 2GB or 800MB")
    if not text.strip().upper().endswith(("B", "I", *"KMGT")):  # 2 is hardly meant to be two bytes
        raise UsageError(f"{text!r}: of which unit? expected a size such as 2GB or 800MB")
    return count


def cores() -> int:
    """How many conversions can run at one time: none beside another where a fork is not safe."""
    if sys.platform == "darwin":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def budget(max_memory: int | None) -> memory.Available:
    """What an export may take: what the user says, else what the machine has."""
    if max_memory is None:
        return memory.available()
    return memory.Available(max_memory, "--max-memory")


def check_memory(planned: Plan, allowed: memory.Available) -> None:
    """Raise UsageError if even one component at a time takes more than is ``allowed``."""
    if planned.peak_memory <= allowed.bytes:
        return
    left = [item for item in planned.components if item.component not in planned.reused]
    largest = max(left, key=lambda item: item.peak_memory)
    remedy = "close other programs, " if allowed.bound != "--max-memory" else ""
    raise UsageError(
        f"{largest.component}: converting it takes about {largest.peak_memory / 1e9:.2f} GB of "
        f"memory, {allowed.bytes / 1e9:.2f} GB can be had ({allowed.bound}); {remedy}leave it out "
        "(--only), or set --max-memory if you know better"
    )


def check_disk(output: Path, planned: Plan) -> None:
    """Raise UsageError if the disk of ``output`` lacks room for what is still to be written."""
    reused = sum(item.bytes for item in planned.components if item.component in planned.reused)
    needed = planned.bytes - reused + planned.temporary_bytes
    sizes.check_disk(output.absolute().parent, needed * 1.02 + (16 << 20), "the export takes")
