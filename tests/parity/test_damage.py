from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity import gates, metrics
from mobileo_export.parity.damage import damages
from mobileo_export.parity.judge import judge

if TYPE_CHECKING:
    import pytest


def test_damage_leaves_the_output_alone() -> None:
    output = np.random.default_rng(0).standard_normal((1, 12, 16), dtype=np.float32)
    before = output.copy()
    kinds = [damaged.kind for damaged in damages(output, "sequence")]
    assert np.array_equal(output, before)
    assert len(kinds) == len(set(kinds)) == 6


def test_each_damage_is_where_it_says() -> None:
    output = np.random.default_rng(0).standard_normal((1, 12, 16), dtype=np.float32)
    found = {damaged.kind: damaged.values for damaged in damages(output, "sequence")}
    tokens = {kind: np.flatnonzero((v != output).any(-1)[0]) for kind, v in found.items()}
    assert all(len(tokens[f"one token {how}"]) == 1 for how in ("ruined", "x1.5", "zero"))
    assert len(tokens["tokens shifted"]) == 12
    channels = np.flatnonzero((found["two channels swapped"] != output).any((0, 1)))
    assert len(channels) == 2


def test_a_patch_is_square_and_covers_all_channels() -> None:
    output = np.random.default_rng(0).standard_normal((1, 3, 128, 128), dtype=np.float32)
    found = {damaged.kind: damaged.values for damaged in damages(output, "image")}
    channel, y, x = np.nonzero((found["one patch zero"] != output)[0])
    assert (len(set(channel)), len(set(y)), len(set(x))) == (3, 8, 8)


def test_what_changes_nothing_is_no_damage() -> None:
    alike = np.ones((1, 12, 16), np.float32)
    kinds = {damaged.kind for damaged in damages(alike, "sequence")}
    assert kinds == {"one value NaN", "one token x1.5", "one token zero"}


def test_damage_is_measured_against_a_reference_that_is_prepared_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, compared = [], []

    class Counted(metrics.Truth):
        def __init__(self, *arguments: Any) -> None:
            made.append(arguments)
            super().__init__(*arguments)

        def compare(self, found: Any) -> metrics.Metrics:
            compared.append(found)
            return super().compare(found)

    monkeypatch.setattr(metrics, "Truth", Counted)
    reference = np.random.default_rng(0).standard_normal((1, 9, 6), dtype=np.float32)
    gate = gates.find("mcp", "float32", "mil")
    result = judge(gate, "conditioning", reference, reference.copy())
    assert len(made) == 1
    assert len(compared) == 1 + len(result.controls) == 7
    assert all(control.noticed for control in result.controls)
