"""How much of a bundle's weights a task keeps in memory, told from the manifest alone.

What a component computes in between comes on top. Core ML documents that weights which are stored
in fewer bits than they are computed with are widened as they are loaded or used, not which of the
two: both figures are given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.bundle.manifest import artifact_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BITS = {"float32": 32, "float16": 16}


@dataclass(frozen=True)
class PhoneBudget:
    """What a phone lets an app take of its memory before it ends it, as users saw it.

    Apple documents no figure. An app asks the system how much is left and plans with that.

    Attributes:
        phone: of how much memory.
        plain: bytes that an app may take.
        entitled: with the entitlement to an increased limit.
    """

    phone: str
    plain: int
    entitled: int


BUDGETS = (
    PhoneBudget("6 GB", 3_100_000_000, 4_200_000_000),
    PhoneBudget("8 GB", 3_000_000_000, 6_000_000_000),
)


@dataclass(frozen=True)
class Resident:
    """The weights of one task, in bytes; ``least`` is with one component loaded at a time.

    Attributes:
        task: its command.
        missing: components that the bundle lacks; then all figures are 0.
        kept: of all its components together, as they are stored.
        least: of the largest.
        kept_widened: as ``kept``, if stored weights take what they are computed with.
        least_widened: likewise.
    """

    task: str
    missing: tuple[str, ...]
    kept: int
    least: int
    kept_widened: int
    least_widened: int


def of(content: Mapping[str, Any], tasks: Mapping[str, Iterable[str]]) -> tuple[Resident, ...]:
    """For each of ``tasks``, which names the components it takes; ``content`` is a manifest."""
    files = [(file["path"], file["size"]) for file in content["files"]]
    stored, widened = {}, {}
    for name, entry in content["components"].items():
        artifact = entry["artifacts"][0]
        stored[name] = artifact_bytes(files, artifact["path"])
        bits = artifact["options"].get("average_bits")
        full = _BITS[artifact["compute_precision"]]
        widened[name] = round(stored[name] * max(1.0, full / bits)) if bits else stored[name]
    found = []
    for task, needed in tasks.items():
        names = tuple(needed)
        missing = tuple(name for name in names if name not in stored)
        sizes = [[parts.get(name, 0) for name in names] for parts in (stored, widened)]
        figures = [0] * 4 if missing else [total(s) for s in sizes for total in (sum, max)]
        found.append(Resident(task, missing, *figures))
    return tuple(found)
