"""What ``bench`` measures of the miniature is what a stopwatch around ``Session.run`` measures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import onnxruntime
import pytest

from benchmarks import bench_stopwatch
from benchmarks.bench_stopwatch import StopwatchRow
from mobileo_export import assets
from mobileo_export.bench import document
from mobileo_export.bench.run import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from ..exports import Exports

STAGES = {"vision_encoder", "prefill", "llm", "mcp", "dit_step", "vae_decoder"}


class OneThread(onnxruntime.SessionOptions):  # type: ignore[misc]  # no stubs
    """A second one waits by spinning, which counts as the processor's seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.intra_op_num_threads = 1


@pytest.mark.parametrize("target", ["ios", "jetson"])
def test_of_the_miniature_within_ten_percent(
    target: str, exported: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turn about, until the medians of all runs are near, by either clock.

    On a machine that does much else, seconds of the processor say it; of calls of a few
    milliseconds, whose outputs are looked at in as many microseconds, the clock on the wall.
    """
    monkeypatch.setattr(onnxruntime, "SessionOptions", OneThread)
    named = {"source_name": assets.MINIATURE}
    bundle = exported(assets.miniature(), target=target, **named)
    bench = document.prepare(bundle, "auto", None, None, Settings(tokens=3), keep=True)
    rows: dict[str, StopwatchRow] = {}
    off: dict[str, float] = {}
    for _ in range(10):
        for row in bench_stopwatch.compared(bench, 3):
            rows[row.stage] = rows[row.stage].and_(row) if row.stage in rows else row
        off = {n: min(abs(row.ratio - 1), abs(row.cpu_ratio - 1)) for n, row in rows.items()}
        if max(off.values()) < 0.1:
            break
    bench.components.close()
    assert off.keys() == STAGES
    assert max(off.values()) < 0.1, off


def test_both_sides_are_printed(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["", str(tiny_bundle), "--runs", "1", "--only", "mcp,dit"])
    bench_stopwatch.main()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines[1:]] == ["mcp", "dit_step"]
    assert all(float(line[1]) > 0 and float(line[3]) > 0 and line[2] == "ms" for line in lines[1:])


def test_what_takes_longer_is_seen() -> None:
    """The calls that were taken down are made again; a stage that does more shows it."""

    class Session:
        asked = 0

        def run(self, amount: int) -> dict[str, int]:
            self.asked += amount
            return {"sum": sum(range(amount))}

    session = Session()
    recorder = bench_stopwatch.Recorder(session)
    assert recorder.run(3) == {"sum": 3}
    assert recorder.calls == [("run", (3,))]
    calls = [("run", (200_000,))]

    def twice() -> float:
        session.run(200_000)
        session.run(200_000)
        return 1.0

    ratios = [bench_stopwatch.beside("a", twice, session, calls, 5).cpu_ratio for _ in range(3)]
    assert min(abs(ratio - 2) for ratio in ratios) < 0.5
