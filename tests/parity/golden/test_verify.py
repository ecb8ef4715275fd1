"""``verify --checkpoint`` looks at everything that it says it looks at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from mobileo_export.parity import results
from mobileo_export.parity.chain.compare import CHAINS
from mobileo_export.parity.report import write as report

from .conftest import Index, change_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.command import Command, Finished


def document(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / report.REPORT).read_text())
    jsonschema.validate(content, results.schema())
    return content


def velocity(index: Index) -> int:
    """The entry of the first velocity that the trace holds."""
    for run in index["runs"]:
        for call in run["calls"]:
            if call["stage"] == "dit":
                return int(call["outputs"]["velocity"]["entry"])
    raise AssertionError("no velocity")


def test_components_chain_and_trace_are_all_looked_at(
    command: Command, copied: Path, index: Index, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    def verify(folder: str, *options: str) -> Finished:
        arguments = ("--checkpoint", tiny_checkpoint, "--report", tmp_path / folder, "-q")
        return command("verify", copied, *arguments, *options)

    done = verify("good", "--steps", "2", "--verbose")
    assert done.code == 0, done.err
    for chain in CHAINS:
        assert f"{chain}: after 2 steps the latent is " in done.out
    assert "golden trace    holds" in done.out
    assert f"pictures        holds    {len(CHAINS)} drawn" in done.out
    last = done.out.splitlines()[-1]
    assert last.startswith(f"Parity holds: {copied} computes what ")
    assert last.endswith(f", {len(CHAINS)} pictures, the golden trace).")
    found = document(tmp_path / "good")
    assert [chain["name"] for chain in found["chain"]["chains"]] == list(CHAINS)
    assert found["chain"]["ok"]
    assert found["replay"]["ok"]
    assert found["mutations"] is None
    page = (tmp_path / "good" / report.PAGE).read_text()
    assert page.count("data:image/png;base64,") >= 3 * len(CHAINS)

    def louder(values: NDArray[Any]) -> None:
        values *= 1.5

    change_array(copied, index, velocity(index), louder)
    done = verify("tampered", "--no-chain")
    assert done.code == 1
    assert "error: golden trace, dit" in done.err
    assert "golden trace    FAILS" in done.out
    assert "mcp             holds" in done.out
    assert "Parity holds" not in done.out
    assert done.err.splitlines()[-1].startswith("error: Parity does not hold: ")
    found = document(tmp_path / "tampered")
    assert found["replay"]["ok"] is False
    assert found["chain"] is None


def test_mutants_are_made_when_asked_for(
    command: Command, recorded: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    options = ("--checkpoint", tiny_checkpoint, "--component", "mcp", "--mutations", "-q")
    done = command("verify", recorded, *options, "--report", tmp_path)
    assert done.code == 0, done.err
    found = document(tmp_path)
    mutants = sum(len(part["mutants"]) for part in found["mutations"]["components"])
    assert mutants > 5
    assert f"of {mutants} mutants {found['mutations']['caught']} were caught" in done.out
    assert found["chain"] is None  # one component draws no picture


@pytest.mark.parametrize("option", [("--steps", "2"), ("--mutations",)])
def test_what_needs_a_checkpoint_says_so(
    command: Command, recorded: Path, option: tuple[str, ...]
) -> None:
    done = command("verify", recorded, *option)
    assert done.code == 2
    assert "name the checkpoint to compare with" in done.error()
