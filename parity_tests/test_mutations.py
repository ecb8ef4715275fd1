"""Damaged copies of the artifacts are noticed: a gate that cannot fail proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobileo_export.components import COMPONENTS
from mobileo_export.parity import mutations

from .plugin import is_full_size

if TYPE_CHECKING:
    from .plugin import Parity


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_mutant_is_noticed(
    parity: Parity, component: str, request: pytest.FixtureRequest
) -> None:
    if component not in parity.content["components"]:
        pytest.skip(f"{parity.bundle} has no {component}")
    if is_full_size(parity.content) and not request.config.getoption("--mutations", False):
        pytest.skip("takes an hour on a full-size bundle; ask for it with --mutations")
    assert all(result.ok for result in parity.results(component)), "fails undamaged"
    suite = mutations.run(
        parity.bundle,
        parity.checkpoint,
        [COMPONENTS[component]],
        references=parity.references,
    )
    assert suite.mutants
    assert [str(mutant) for mutant in suite.judged("slipped")] == []
