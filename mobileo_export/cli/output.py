"""How commands speak: errors and warnings on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from mobileo_export.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from rich.table import Table

    from mobileo_export.cli.progress_lines import ProgressLines, ProgressLog
    from mobileo_export.progress import OnProgress


NO_EDGE = 240  # columns of what is no terminal
_KINDS = {"error": "bold red", "warning": "yellow", "note": "dim"}
_NUMBERS = {"tensors", "parameters", "params", "size", "ops", "peak memory", "time"}


def print_error(message: str) -> None:
    """One line on standard error; a terminal folds it between words."""
    _print_told("error", message)


def print_warning(message: str) -> None:
    """One line on standard error, as :func:`print_error`."""
    _print_told("warning", message)


def print_note(message: str) -> None:
    """One line on standard error, as :func:`print_error`."""
    _print_told("note", message)


def say(text: str, style: str = "", part: str = "", hanging: int = 0) -> None:
    """A result for a person on standard output, folded between words; colored where color is.

    Args:
        text: one line; names in it that come from files may hold anything, line breaks too.
        style: as rich names them, such as ``bold green``; ``NO_COLOR`` leaves it out.
        part: of the text, which alone has the style; all of it has when it is empty.
        hanging: columns before what a line goes on with where it is folded.
    """
    _print_styled(folded(printable(text), sys.stdout, hanging), style, part, sys.stdout)


def folded(line: str, stream: TextIO, hanging: int = 0) -> str:
    """``line`` broken between words where ``stream`` is a terminal that it is too long for."""
    if not stream.isatty():
        return line
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns
    if len(line) <= width:
        return line
    indent = " " * (hanging or len(line) - len(line.lstrip()))
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def print_json(value: Any) -> None:
    """A JSON document on standard output, keys sorted."""
    print(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str))


def new_console() -> Console:
    """A console for results, which takes nothing in a text for a colour or a style."""
    import os

    from rich.console import Console

    # A pipe or a file has no edge to fold at, unless it is told one.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else NO_EDGE
    return Console(markup=False, highlight=False, emoji=False, width=width)


def new_table(*columns: str) -> Table:
    """A table; what its columns hold decides on which side they are flush.

    Where a terminal is too narrow for it, each row becomes a paragraph.
    """
    from rich import box

    from mobileo_export.cli.fitting_table import FittingTable

    table = FittingTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
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
    quiet: bool, jobs: Iterable[str] = (), transient: bool = False
) -> Iterator[OnProgress]:
    """A live line a job on standard error; lines for a log where that is no terminal.

    ``jobs`` are those that are known before they begin; ``transient`` lines go when they end.
    """
    if quiet:
        yield lambda event: None
        return
    from rich.console import Console
    from rich.live import Live

    from mobileo_export.cli.progress_lines import ProgressLines, ProgressLog
    from mobileo_export.processes import extras, importing

    console = Console(stderr=True, highlight=False)
    libraries = {name for extra, names in extras.MODULES.items() if extra for name in names}
    if not console.is_terminal or console.is_dumb_terminal:
        log = ProgressLog()
        with importing.told(libraries, log.importing), _closed(log):
            yield log.hear
        return
    lines = ProgressLines(jobs, not console.encoding.startswith("utf"))
    live = Live(lines, console=console, refresh_per_second=8, transient=transient)
    with live, importing.told(libraries, lines.importing), _closed(lines):
        yield lines.hear


@contextmanager
def _closed(shown: ProgressLines | ProgressLog) -> Iterator[None]:
    """Tell what shows progress how the work ended."""
    try:
        yield
    except BaseException:
        shown.close(whole=False)
        raise
    shown.close(whole=True)


def _print_told(kind: str, message: str) -> None:
    line = f"{kind}: {printable(' '.join(message.split()))}"
    _print_styled(folded(line, sys.stderr), _KINDS[kind], f"{kind}:", sys.stderr)


def _print_styled(text: str, style: str, part: str, stream: TextIO) -> None:
    if not style or not stream.isatty():
        print(text, file=stream)
        return
    from rich.console import Console
    from rich.text import Text

    shown = Text(text)
    start = text.index(part)
    shown.stylize(style, start, start + len(part or text))
    console = Console(file=stream, markup=False, highlight=False, emoji=False)
    console.print(shown, soft_wrap=True)
