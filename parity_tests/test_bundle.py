"""Every artifact computes what the checkpoint computes, and its gate would notice otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobileo_export.bundle import seal
from mobileo_export.components import COMPONENTS
from mobileo_export.parity.cases import case_names

if TYPE_CHECKING:
    from .plugin import Parity

PAIRS = [(component, case) for component in COMPONENTS for case in case_names(component)]


def test_every_file_is_as_sealed(parity: Parity) -> None:
    assert seal.verify(parity.bundle, parity.content) == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_artifact_runs(parity: Parity, component: str) -> None:
    for result in parity.results(component):
        assert result.problem is None
        assert tuple(case.name for case in result.cases) == case_names(component)


@pytest.mark.parametrize(("component", "case"), PAIRS, ids=lambda value: value)
def test_the_case_lies_within_its_gate(parity: Parity, component: str, case: str) -> None:
    for result in parity.results(component):
        found = next((found for found in result.cases if found.name == case), None)
        assert found is not None, result.problem
        assert found.problem is None
        for output in found.outputs:
            broken = [row for row in output.rows if not row.holds]
            assert output.problem is None
            assert not broken, f"{output.name}: {broken}; {output.metrics}; {result.gate}"


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_gate_would_notice_damage(parity: Parity, component: str) -> None:
    unnoticed = []
    for result in parity.results(component):
        unnoticed += [control.damage for control in result.controls if not control.noticed]
        for case in result.cases:
            for output in case.outputs:
                assert output.controls
                unnoticed += [
                    f"{case.name}, {output.name}: {control.damage}"
                    for control in output.controls
                    if not control.noticed
                ]
    assert unnoticed == []
