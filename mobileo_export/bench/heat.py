"""Which runs count: those under the thermal state that the benchmark began under.

A machine that throttles is another machine. The state is read before and behind the runs of a
stage, and between two of them once a second: it changes slowly, and asking for it is a process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_INTERVAL = 1.0  # seconds between two readings


@dataclass
class ThermalWatch:
    """The thermal state while stages run.

    Attributes:
        read: the state now; None where the system does not tell, which is asked once then.
        clock: seconds.
        first: the state that the benchmark began under.
    """

    read: Callable[[], str | None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    first: str | None = None
    _seen: list[tuple[int, str | None]] = field(default_factory=list)
    _asked: float = 0.0

    def begin(self) -> None:
        """The benchmark begins."""
        self.first = self.read()

    def stage(self) -> None:
        """The runs of a stage that count begin."""
        self._seen = []
        self._ask(0)

    def done(self, runs: int) -> None:
        """So many of them are done."""
        if self.clock() - self._asked >= _INTERVAL:
            self._ask(runs)

    def apart(self, runs: int) -> tuple[int, ...]:
        """Which of a stage's ``runs``, from 0, were under another state before or behind."""
        if self.first is None:
            return ()
        if self._seen[-1][0] < runs:
            self._ask(runs)
        pairs = zip(self._seen, self._seen[1:], strict=False)
        return tuple(
            run
            for (start, before), (end, after) in pairs
            if {before, after} != {self.first}
            for run in range(start, end)
        )

    def states(self) -> str:
        """The states of a stage that are another than the first."""
        other = (state for _, state in self._seen if state != self.first)
        return " and ".join(dict.fromkeys(state or "not told" for state in other))

    def _ask(self, runs: int) -> None:
        if self.first is not None:
            self._seen.append((runs, self.read()))
            self._asked = self.clock()
