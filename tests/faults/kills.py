"""Kills: at a random moment, or at a chosen operation on a file; then the same command again."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from mobileo_export.bundle.workspace import MARKER, partial_of
from tests.faults.harness import BrokenError, Export, Finished, end, strike
from tests.process_tree import descendants, holds

_SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
_CODES = {"SIGKILL": {-9}, "SIGTERM": {143}, "SIGINT": {130}}


@dataclass
class Tally:
    """What happened so far: strikes by kind, and how often an export was then completed."""

    strikes: Counter[str] = field(default_factory=Counter)
    missed: int = 0  # the run ended before it was struck
    resumed: int = 0  # artifacts that a later run took over
    completed: int = 0  # bundles compared with the uninterrupted one
    judged: int = 0  # struck while it worked: exit code and message are ours to choose

    def as_json(self) -> dict[str, object]:
        """The tally as plain data."""
        strikes = {name: count for name, count in sorted(self.strikes.items()) if count}
        return {
            "strikes": strikes,
            "missed": self.missed,
            "resumed": self.resumed,
            "completed": self.completed,
            "judged": self.judged,
        }


def at_operation(export: Export, number: int, tally: Tally) -> list[str]:
    """Kill the main process at its ``number``-th operation on a file; what counts as finished."""
    process = export.start(FOLDER=str(export.folder), AT=str(number))
    done = end(process, [])
    if done.code == 0:
        tally.missed += 1
    elif done.code != -signal.SIGKILL:
        raise BrokenError(f"exit code {done.code}: {done.err}")
    tally.strikes["SIGKILL at an operation"] += done.code != 0
    return export.check()


def at_random(
    export: Export, seconds: float, chance: random.Random, tally: Tally
) -> tuple[list[str], bool]:
    """Strike within ``seconds``; what counts as finished, and whether the run was over before."""
    name = chance.choices(list(_SIGNALS), [6, 1, 1])[0]
    whom = chance.choice(["main", "all", "one"]) if name == "SIGKILL" else "main"
    anew = ["--fresh"] if export.output.exists() and chance.random() < 0.7 else []
    process = export.start(*anew)
    time.sleep(chance.uniform(0, seconds))
    family = descendants(process.pid)
    over = process.poll() is not None
    working = holds(process.pid, partial_of(export.output) / MARKER)
    if not over:
        strike(process, whom, _SIGNALS[name], chance)
    done = end(process, family)
    if over or done.code == 0:  # a worker that dies is started again
        tally.missed += over
        tally.strikes[f"{name} to {whom}"] += not over
        if done.code != 0:
            raise BrokenError(f"an undisturbed run failed: {done.err}")
        return export.check(), True
    tally.strikes[f"{name} to {whom}"] += 1
    if working:  # before, the interpreter itself may be struck, which speaks in its own way
        _check_code(done, name, whom)
        tally.judged += 1
    return export.check(), False


def series(
    export: Export,
    reference: dict[str, str],
    seconds: float,
    strikes: int,
    chance: random.Random,
    tally: Tally,
    told: Callable[[Tally], None] = lambda tally: None,
) -> None:
    """Strike again and again; complete the export now and then, and compare it."""
    for number in range(strikes):
        kept, over = at_random(export, seconds, chance, tally)
        if over:
            export.compare(reference)
            tally.completed += 1
        elif chance.random() < 0.4 or number == strikes - 1:
            export.complete(reference, kept)
            tally.resumed += len(kept)
            tally.completed += 1
        told(tally)
        if export.output.exists() and chance.random() < 0.7:
            export.clear()


def _check_code(done: Finished, name: str, whom: str) -> None:
    # A converter that was killed is an error of the export; so is whatever else was reported
    # before the signal reached the main process.
    allowed = {2} if whom == "one" else _CODES[name] | ({2} if whom == "all" else set())
    if whom == "one":
        allowed |= {-9}  # there was nobody else yet
    if done.code not in allowed:
        raise BrokenError(f"{name} to {whom}: exit code {done.code}: {done.err}")
    if "Traceback" in done.err:
        raise BrokenError(f"{name} to {whom}: a traceback: {done.err}")
