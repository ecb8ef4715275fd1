"""Progress as text: a line a job with its name, stage, bar, count and time, whatever the width."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mobileo_export.cli.stages import DONE, FAILED, NAMES, words
from mobileo_export.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

    from mobileo_export.progress import Progress

State = Literal["waiting", "running", "done", "failed", "stopped"]
_STYLES = {"waiting": "dim", "done": "green", "failed": "bold red", "stopped": "yellow"}
_COUNT, _TIME = 7, 10  # columns; a longer count is shown as a percentage
_STAGE, _BAR = (16, 22), (6, 30)  # least and most
_SHAPES = ("━", "─"), ("#", "-")  # of a bar, done and to be done; where only ASCII can be shown
_OFTEN = 30.0  # seconds between two lines of a log about one stage


@dataclass
class _Line:
    """One job."""

    name: str
    stage: str = "waiting"
    state: State = "waiting"
    done: int = 0
    total: int = 0
    began: float = 0.0
    stage_began: float = 0.0
    ended: float = 0.0

    def hear(self, stage: str, done: int, total: int, now: float) -> None:
        if self.state == "waiting":
            self.began = now
        if stage != self.stage:
            self.stage, self.stage_began = stage, now
        self.done, self.total, self.ended = done, total, now
        self.state = "failed" if stage == FAILED else "done" if done >= total > 0 else "running"
        if self.state == "done" and total == 1 and stage != words("finished before"):
            self.stage = DONE  # what has no parts to count has ended as a whole

    def close(self, whole: bool) -> None:
        """Nothing more comes: a job that began has ended, or was left when the work failed."""
        if self.state == "running" and not whole:
            self.state = self.stage = "stopped"
        elif self.state in {"running", "done"}:
            self.stage = self.stage if self.stage == words("finished before") else DONE
            self.state, self.total = "done", 0

    def count(self) -> str:
        if self.total <= 1 or self.state == "failed":
            return ""
        text = f"{self.done}/{self.total}"
        return text if len(text) <= _COUNT else f"{self.done / self.total:.0%}"

    def share(self) -> float:
        """What of the stage is done."""
        if self.state == "done":
            return 1.0
        return min(self.done / self.total, 1.0) if self.total > 1 else 0.0

    def time(self, now: float) -> str:
        """What is left of a stage that is counted; else how long it has taken."""
        if self.state == "waiting":
            return ""
        if self.state != "running":
            return duration(self.ended - self.began)
        spent = now - self.stage_began
        if self.total > 1 and self.done and self.stage != words("importing"):
            return f"{duration(spent / self.done * (self.total - self.done))} left"
        return duration(spent) if spent >= 1 else ""


class ProgressLines:
    """The jobs of one command; rich renders it at the width that the terminal has."""

    def __init__(
        self,
        names: Iterable[str],
        ascii_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lines: dict[str, _Line] = {}
        for name in names:
            _line(self._lines, name)
        self._shapes = _SHAPES[ascii_only]
        self._clock = clock
        self._last: str | None = None

    def hear(self, event: Progress) -> None:
        """One step of a job, which may be a new one."""
        line = _line(self._lines, event.job)
        line.hear(words(event.stage), event.done, event.total, self._clock())
        self._last = event.job

    def importing(self, module: str) -> None:
        """A library that the job at work, or the first one, needs."""
        line = self._lines.get(self._last or next(iter(self._lines), ""))
        if line is not None and line.state in {"waiting", "running"}:
            line.hear(words(f"importing {module}"), 0, 0, self._clock())

    def close(self, whole: bool) -> None:
        """The end; ``whole`` is False where it came too early. What never began is left out."""
        self._lines = {n: line for n, line in self._lines.items() if line.state != "waiting"}
        for line in self._lines.values():
            line.close(whole)

    def texts(self, width: int) -> list[Text]:
        """A line a job, of at most ``width`` columns: a narrow one has neither bar nor time."""
        from rich.text import Text

        longest = max((len(printable(line.name)) for line in self._lines.values()), default=0)
        left = width - (longest + 2) - (1 + _COUNT) - (1 + _TIME)
        bar = min(left - 2 - _STAGE[0], _BAR[1])
        stage = min(left - 2 - bar, _STAGE[1])
        now = self._clock()
        found = []
        for line in self._lines.values():
            style = _STYLES.get(line.state, "")
            text = Text(f"{printable(line.name):<{longest}}  ")
            longer = max(len(printable(line.stage)) - stage, 0)  # a name, as of a case
            if bar < _BAR[0]:
                text.append(printable(line.stage), style)
                text.append(f"  {line.count()}")
            else:
                text.append(f"{printable(line.stage):<{stage}}  ", style)
                self._bar(text, line, max(bar - longer, 0))
                text.append(f" {line.count():>{_COUNT}}")
                text.append(f" {line.time(now):>{_TIME}}", "dim")
            text.rstrip()
            found.append(text)
        return found

    def _bar(self, text: Text, line: _Line, width: int) -> None:
        full, rest = self._shapes
        filled = int(line.share() * width)
        color = "green" if line.state == "done" else "red" if line.state == "failed" else "cyan"
        text.append(full * filled, color)
        text.append(rest * (width - filled), "dim")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.texts(options.max_width - 1)


class ProgressLog:
    """For logs of CI: a line when a job enters a stage, one now and then, and its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lines: dict[str, _Line] = {}
        self._told: dict[str, tuple[str, float]] = {}
        self._clock = clock
        self._last = ""

    def hear(self, event: Progress) -> None:
        """As :meth:`ProgressLines.hear`."""
        line, now = _line(self._lines, event.job), self._clock()
        line.hear(words(event.stage), event.done, event.total, now)
        self._last = event.job
        said, at = self._told.get(line.name, ("", 0.0))
        if line.stage != said:
            self._tell(line, self._ended(line) if line.total == 1 else "", now)
        elif line.state == "running" and line.total > 1 and now - at >= _OFTEN:
            self._tell(line, f", {line.done} of {line.total}, {line.time(now)}", now)

    def importing(self, module: str) -> None:
        """As :meth:`ProgressLines.importing`; told once, without the library."""
        if self._last:
            line = self._lines[self._last]
            if line.state == "running":
                line.hear("importing", 0, 0, self._clock())
                if self._told.get(line.name, ("",))[0] != "importing":
                    self._tell(line, "", self._clock())

    def close(self, whole: bool) -> None:
        """Say of every job that it has ended, where that was not said."""
        for line in self._lines.values():
            said, _ = self._told.get(line.name, ("", 0.0))
            line.close(whole)
            if line.stage != said:
                self._tell(line, self._ended(line), self._clock())

    def _ended(self, line: _Line) -> str:
        return f" in {line.time(self._clock())}" if line.state == "done" else ""

    def _tell(self, line: _Line, more: str, now: float) -> None:
        self._told[line.name] = (line.stage, now)
        print(printable(f"{line.name}: {line.stage}{more}"), file=sys.stderr, flush=True)


def _line(lines: dict[str, _Line], job: str) -> _Line:
    """That of a job, which may be a new one."""
    return lines.setdefault(job, _Line(NAMES.get(job, job)))


def duration(seconds: float) -> str:
    """``0:07``, ``12:40``; from a hundred minutes on ``2 h``."""
    whole = round(seconds)
    if whole >= 6000:
        return f"{whole / 3600:.0f} h"
    return f"{whole // 60}:{whole % 60:02}"
