"""How commands speak: errors and warnings on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import printable
from mobileo_export.progress import OnProgress, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table


_NUMBERS = {"tensors", "parameters", "params", "size", "ops", "peak memory", "time"}


def print_error(message: str) -> None:
    """One line on standard error."""
    print(f"error: {_one_line(message)}", file=sys.stderr)


def print_warning(message: str) -> None:
    """One line on standard error."""
    print(f"warning: {_one_line(message)}", file=sys.stderr)


def print_note(message: str) -> None:
    """One line on standard error."""
    print(f"note: {_one_line(message)}", file=sys.stderr)


def print_json(value: Any) -> None:
    """A JSON document on standard output, keys sorted."""
    print(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str))


def new_console() -> Console:
    """A console for results, which takes nothing in a text for a colour or a style."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 240  # a pipe or a file has no edge to fold at
    return Console(markup=False, highlight=False, emoji=False, width=width)


def new_table(*columns: str) -> Table:
    """A table; what its columns hold decides on which side they are flush."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in _NUMBERS else "left",
            overflow="fold",
            no_wrap=column == "name",
        )
    return table


def count_text(count: int) -> str:
    """``591747872`` as ``591.7 M``."""
    return f"{count / 1e6:,.1f} M" if count >= 100_000 else f"{count:,}"


def shape_text(shape: list[Any]) -> str:
    """A manifest's shape for a person: ``[1, N=8…768, 2304]``."""
    dims = (
        f"{dim['name']}={dim['min']}…{dim['max']}" if isinstance(dim, dict) else str(dim)
        for dim in shape
    )
    return f"[{', '.join(dims)}]"


@contextmanager
def progress_display(
    quiet: bool, titles: dict[str, str], *, remaining: bool = False
) -> Iterator[OnProgress]:
    """One live line a job on standard error; a line a finished stage when that is no terminal.

    ``remaining`` shows the time left of a job in place of the time taken.
    """
    if quiet:
        yield lambda event: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _PlainProgress()
        return
    columns = (
        TextColumn("{task.fields[job]:<24}"),
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeRemainingColumn(elapsed_when_finished=True) if remaining else TimeElapsedColumn(),
    )
    with Bars(*columns, console=console) as bars:
        tasks = {
            job: bars.add_task("waiting", job=title, total=1, start=False)
            for job, title in titles.items()
        }

        def show(event: Progress) -> None:
            task = tasks.get(event.job)
            if task is None:
                task = tasks[event.job] = bars.add_task("", job=event.job, total=1)
            bars.start_task(task)
            bars.update(task, description=event.stage, completed=event.done, total=event.total)

        yield show


class _PlainProgress:
    """For logs of CI: one line when a job enters a stage."""

    def __init__(self) -> None:
        self._stages: dict[str, str] = {}

    def __call__(self, event: Progress) -> None:
        if self._stages.get(event.job) != event.stage:
            self._stages[event.job] = event.stage
            print(f"{event.job}: {event.stage}", file=sys.stderr, flush=True)


def _one_line(message: str) -> str:
    return printable(" ".join(message.split()))
