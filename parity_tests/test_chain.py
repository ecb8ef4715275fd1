"""From a prompt to a picture on both sides: what the components' errors come to together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobileo_export.parity.chain.compare import CHAINS, compare_chain

if TYPE_CHECKING:
    from mobileo_export.parity.chain.results import ChainComparison

    from .plugin import Parity


@pytest.fixture(scope="module")
def drawn(parity: Parity, request: pytest.FixtureRequest) -> ChainComparison:
    """Both chains, drawn once."""
    found = compare_chain(
        parity.bundle,
        parity.checkpoint,
        parity.runtime,
        parity.compute_units,
        steps=request.config.getoption("--steps", None),
        references=parity.references,
    )
    if found.skipped is not None:
        pytest.skip(found.skipped)
    return found


@pytest.mark.parametrize("chain", CHAINS)
def test_the_picture_lies_within_the_gate(
    parity: Parity, drawn: ChainComparison, chain: str
) -> None:
    # Of compressed weights, against what is stored of them and against the checkpoint.
    named = [result for result in drawn.chains if result.name.partition(",")[0] == chain]
    assert named
    for found in named:
        assert found.problem is None
        assert found.rows
        assert all(row.holds for row in found.rows), drawn.failures()
