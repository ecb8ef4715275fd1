"""What a merge tells, and a preview of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.merging.merge import MergeOptions, MergeReport, merge, preview
from tests import surgery
from tests.merging.merges import differing

from .adapters import (
    PREFIX,
    Q,
    factors,
    write,
)  # fmt: skip

if TYPE_CHECKING:
    from pathlib import Path


def group(report: MergeReport, name: str) -> Any:
    return next(found for found in report.groups if found.name == name)


def test_the_report_says_what_changed(base: Checkpoint, adapter: Path, tmp_path: Path) -> None:
    report = merge(base, adapter, tmp_path / "out", MergeOptions())
    assert {found.name for found in report.groups} == {
        "llm embed_tokens", "llm down_proj", "llm q_proj", "llm k_proj"
    }  # fmt: skip
    found = group(report, "llm q_proj")
    output = Checkpoint.open(tmp_path / "out")
    left, right = base.top_level[Q + ".weight"], output.top_level[Q + ".weight"]
    assert (found.tensors, found.changed, found.largest_name) == (1, 1, Q + ".weight")
    assert found.largest == pytest.approx(surgery.relative_difference(left, right), rel=1e-4)
    assert found.kept == pytest.approx(1, abs=0.01)
    assert any("result of a merge itself" in warning for warning in report.warnings)


def test_an_update_lost_in_rounding_is_told(base: Checkpoint, tmp_path: Path) -> None:
    values = {name: array * np.float32(1e-3) for name, array in factors(base, Q).items()}
    report = merge(base, write(tmp_path / "a", values), tmp_path / "out", MergeOptions())
    kept = group(report, "llm q_proj").kept
    assert kept is not None
    assert kept < 0.5
    assert any("survives rounding" in warning for warning in report.warnings)


def test_an_untrained_adapter_is_told(base: Checkpoint, tmp_path: Path) -> None:
    values = factors(base, Q)
    values[f"{PREFIX}{Q}.lora_B.weight"] *= 0
    report = merge(base, write(tmp_path / "a", values), tmp_path / "out", MergeOptions())
    assert any(warning.startswith("nothing changed") for warning in report.warnings)
    assert differing(base, Checkpoint.open(tmp_path / "out")) == set()


def test_another_base_is_told(base: Checkpoint, tmp_path: Path) -> None:
    for trained_on, told in (("/runs/sft_7", True), (f"hub/{base.path.name}", False)):
        write(tmp_path / "a", factors(base, Q), base_model_name_or_path=trained_on)
        report = preview(base, tmp_path / "a", tmp_path / "out", MergeOptions())
        assert any("was trained on" in warning for warning in report.warnings) == told


def test_a_preview_writes_nothing(base: Checkpoint, adapter: Path, tmp_path: Path) -> None:
    report = preview(base, adapter, tmp_path / "out", MergeOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
    done = merge(base, adapter, tmp_path / "out", MergeOptions())
    assert (report.tensors, report.bytes, report.seconds) == (done.tensors, done.bytes, None)
    assert [(g.name, g.tensors) for g in report.groups] == [
        (g.name, g.tensors) for g in done.groups
    ]
