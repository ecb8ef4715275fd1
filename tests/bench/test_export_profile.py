"""The profile of an export adds up."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks import export_profile
from benchmarks.export_profile import spans
from mobileo_export.export import workers
from mobileo_export.progress import Progress
from tests.exports import convert_here

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_stage_lasts_until_the_next_of_its_component() -> None:
    events = [
        (1.0, Progress("a", "reading weights", 0, 1)),
        (1.5, Progress("b", "quantizing", 0, 9)),
        (2.0, Progress("a", "lowering", 0, 1)),
        (4.0, Progress("a", "lowering", 1, 3)),
        (5.0, Progress("b", "quantizing", 9, 9)),
        (6.0, Progress("a", "lowering", 2, 3)),
        (7.0, Progress("a", "lowering", 3, 3)),
        (9.0, Progress("a", "finished", 1, 1)),
    ]
    found = [(span.component, span.stage, span.seconds) for span in spans(events)]
    assert found == [
        ("a", "waiting", 1.0),
        ("b", "waiting", 1.5),
        ("a", "reading weights", 1.0),
        ("a", "translating", 2.0),
        ("a", "passes", 3.0),
        ("a", "laying out", 2.0),
    ]


def test_of_a_real_export(
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(workers, "run", convert_here)
    arguments = [str(tiny_checkpoint), "mcp", "llm", "--workdir", str(tmp_path), "--json"]
    monkeypatch.setattr(sys, "argv", ["export_profile", *arguments])
    export_profile.main()
    report = json.loads(capsys.readouterr().out)
    found = {(span["component"], span["stage"]) for span in report["spans"]}
    stages = ("reading weights", "tracing", "translating", "passes", "laying out", "writing")
    assert {("mcp", stage) for stage in stages} <= found
    assert ("bundle", "sealing") in found
    mcp = [span for span in report["spans"] if span["component"] == "mcp"]
    for before, after in pairwise(mcp):
        assert before["end"] == after["begin"]
    assert mcp[0]["begin"] == 0
    assert mcp[-1]["end"] <= report["seconds"]
    assert not list(tmp_path.iterdir())
