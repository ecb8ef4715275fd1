"""Runs commands one after the other in one process, on the terminal that it was started on.

Libraries are imported once, what exports convert is converted once, what the machine can do is
measured once, and the terminal is made as wide as is asked for each. Before each command goes a
mark that a terminal does not show; after the last a mark without a name.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import struct
import sys
import tempfile
import termios
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from mobileo_export.bench import machine_peak
from mobileo_export.cli import main, program, streams
from mobileo_export.export import workers
from mobileo_export.progress import Progress

Event = Callable[[workers.Hooks], None]


class Conversions:
    """``workers.run``: for the same jobs it tells and leaves again what it did the first time."""

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._run = workers.run
        self._made: dict[str, tuple[list[Event], workers.Outcome]] = {}

    def __call__(
        self, lanes: Iterable[workers.Lane], log: Any, hooks: workers.Hooks, keep: Any
    ) -> workers.Outcome:
        lanes = tuple(lanes)
        places = {job["id"]: Path(job["output"]) for lane in lanes for job in lane.jobs}
        name = " ".join(map(str, places.values()))
        if name not in self._made:
            recorded, events = self._recorded(places, hooks)
            self._made[name] = events, self._run(lanes, log, recorded, keep)
            return self._made[name][1]
        events, outcome = self._made[name]
        for event in events:
            event(hooks)
        return outcome

    def _recorded(
        self, places: dict[str, Path], hooks: workers.Hooks
    ) -> tuple[workers.Hooks, list[Event]]:
        """``hooks`` that remember how they were called, and what they remember."""
        events: list[Event] = []

        def begin(job: str) -> None:
            events.append(lambda hooks: hooks.begin(job))
            hooks.begin(job)

        def finish(job: str, result: dict[str, Any]) -> None:
            kept = self._kept / str(len(events))
            shutil.copytree(places[job], kept)

            def again(hooks: workers.Hooks) -> None:
                shutil.copytree(kept, places[job], dirs_exist_ok=True)
                hooks.finish(job, result)

            events.append(again)
            hooks.finish(job, result)

        def progress(event: Progress) -> None:
            events.append(lambda hooks: hooks.progress(event))
            hooks.progress(event)

        return workers.Hooks(begin, finish, progress), events


def run(calls: list[tuple[int, list[str]]]) -> None:
    streams.prepare()
    code = 0
    for number, (width, arguments) in enumerate(calls):
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
        print(f"\x1b]{number} {code}\x07", end="", flush=True)
        sys.argv = ["mobileo-export", *arguments]
        code = program.call(main.app)
        sys.stdout.flush()
        sys.stderr.flush()
    print(f"\x1b]{len(calls)} {code}\x07", end="", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        workers.run = Conversions(Path(folder))  # type: ignore[assignment]
        machine_peak.measure = cache(machine_peak.measure)
        run(json.loads(sys.argv[1]))
