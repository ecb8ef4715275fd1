"""The benchmark of the evaluator runs both sides and compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.evaluator_cost import compare

if TYPE_CHECKING:
    from pathlib import Path


def test_both_sides_are_measured(tiny_checkpoint: Path, tiny_bundle: Path) -> None:
    for cost in compare(tiny_checkpoint, tiny_bundle, "mcp"):
        assert 0 < cost.run < 60
        assert 0 < cost.load < 60
        assert 1e7 < cost.peak < 4e9
