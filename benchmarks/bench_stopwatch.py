"""What ``bench`` measures beside a stopwatch around the same calls of ``Session.run``.

``python -m benchmarks.bench_stopwatch BUNDLE [--runtime NAME] [--runs N] [--only NAMES]``. The
calls that a stage makes are taken down once; then the stage of ``bench`` and a loop over these
calls run in turn, in the order A, B, B, A, so that whatever else the machine does meets both.
Wall-clock seconds and seconds of the processor are compared, by their medians.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from mobileo_export import components
from mobileo_export.bench import document
from mobileo_export.bench.run import LOAD_ORDER, Bench, Settings
from mobileo_export.bench.stages import STAGES

if TYPE_CHECKING:
    from mobileo_export.bench.tasks import Once

_APART = ("preprocessing", "decode_rate")  # not the time of calls alone
_FACTORS = {"ms": 1e3, "s": 1.0}


class Recorder:
    """A session that takes down what it is asked for."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A method of the session."""
        method: Callable[..., Any] = getattr(self._session, name)

        def call(*arguments: Any) -> Any:
            self.calls.append((name, arguments))
            return method(*arguments)

        return call


@dataclass(frozen=True)
class StopwatchRow:
    """One stage: seconds of each run by ``bench`` and by the stopwatch, and of the processor."""

    stage: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    our_cpu: tuple[float, ...]
    their_cpu: tuple[float, ...]

    def and_(self, more: StopwatchRow) -> StopwatchRow:
        """With the runs of ``more``."""
        sides = (getattr(self, f.name) + getattr(more, f.name) for f in fields(self)[1:])
        return StopwatchRow(self.stage, *sides)

    @property
    def ratio(self) -> float:
        """Of wall-clock medians, ours to theirs."""
        return median(self.ours) / median(self.theirs)

    @property
    def cpu_ratio(self) -> float:
        """The same of the processor's seconds."""
        return median(self.our_cpu) / median(self.their_cpu)


def compared(bench: Bench, runs: int) -> Iterator[StopwatchRow]:
    """Every stage that is calls of one component, with ``2 * runs`` runs of each side."""
    for name in (name for name in LOAD_ORDER if name in bench.components.runtimes):
        with bench.components.session(name) as session:
            recorder = Recorder(session)
            recorded = bench.stages_of(name, recorder)
            for (stage, warm), (_, once) in zip(
                recorded, bench.stages_of(name, session), strict=True
            ):
                if stage in _APART:
                    continue
                recorder.calls.clear()
                warm()
                yield beside(stage, once, session, list(recorder.calls), runs)


def beside(
    stage: str, once: Once, session: Any, calls: list[tuple[str, tuple[Any, ...]]], runs: int
) -> StopwatchRow:
    """``once`` of a stage, and ``calls`` of its session, ``2 * runs`` times each."""
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []

    def measured() -> None:
        before = time.process_time()
        ours.append((once(), time.process_time() - before))

    def watched() -> None:
        before, started = time.process_time(), time.monotonic()
        for method, arguments in calls:
            getattr(session, method)(*arguments)
        theirs.append((time.monotonic() - started, time.process_time() - before))

    for _ in range(runs):
        for side in (measured, watched, watched, measured):
            side()
    (our_wall, our_cpu), (their_wall, their_cpu) = (
        tuple(zip(*side, strict=True)) for side in (ours, theirs)
    )
    return StopwatchRow(stage, our_wall, their_wall, our_cpu, their_cpu)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="bench beside a stopwatch.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--runs", type=int, default=2, help="of A, B, B, A")
    parser.add_argument("--only")
    options = parser.parse_args()
    chosen = components.select(options.only) if options.only else None
    bench = document.prepare(options.bundle, options.runtime, chosen, None, Settings(), keep=False)
    print(f"{'':<16}{'bench':>12}{'stopwatch':>12}{'ratio':>8}{'processor':>11}", flush=True)
    for row in compared(bench, options.runs):
        factor, unit = _FACTORS[STAGES[row.stage].unit], STAGES[row.stage].unit
        ours, theirs = (f"{factor * median(v):.1f} {unit}" for v in (row.ours, row.theirs))
        print(
            f"{row.stage:<16}{ours:>12}{theirs:>12}{row.ratio:>8.3f}{row.cpu_ratio:>11.3f}",
            flush=True,
        )
    bench.components.close()


if __name__ == "__main__":
    main()
