"""Merges of the tiny checkpoint, and how they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.merging.merge import MergeOptions, merge
from tests import surgery
from tests.checkpoint.folders import check_all

if TYPE_CHECKING:
    from pathlib import Path


def merged(base: Checkpoint, adapter: Path | None, output: Path, **options: Any) -> Checkpoint:
    report = merge(base, adapter, output, MergeOptions(**options))
    checkpoint = Checkpoint.open(output)
    check_all(checkpoint)
    assert not checkpoint.nested
    assert report.tensors == len(checkpoint.top_level)
    return checkpoint


def differing(left: Checkpoint, right: Checkpoint) -> set[str]:
    assert left.top_level.keys() == right.top_level.keys()
    return {
        name
        for name, info in left.top_level.items()
        if not surgery.same_bytes(info, right.top_level[name])
    }
