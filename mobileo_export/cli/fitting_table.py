"""A table that stays readable where the terminal is too narrow for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderResult

_INDENT = 2
_UNBOUND = 10_000
_SENTENCE = 32  # columns that are enough for a cell of several words


class FittingTable(Table):
    """Columns side by side where they fit whole; otherwise a paragraph a row, each cell named.

    A column that holds sentences may fold, as long as its words do not.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._narrowest(console, options) <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        before = 0  # lines of the row above
        for row in zip(*(column.cells for column in self.columns), strict=True):
            lines = list(self._paragraph([_text(cell) for cell in row], options.max_width))
            if before and max(before, len(lines)) > 1:
                yield Text("")
            yield from lines
            before = len(lines)

    def _narrowest(self, console: Console, options: ConsoleOptions) -> int:
        """The width at which no word is cut and no cell becomes a column of single words."""
        wide = options.update(max_width=_UNBOUND)
        total = 2 * (len(self.columns) - 1)
        for column in self.columns:
            every = (column.header, *column.cells)
            cells = [Measurement.get(console, wide, cell) for cell in every]
            longest = max(cell.maximum for cell in cells)
            word = max(cell.minimum for cell in cells)
            total += max(word, min(longest, _SENTENCE))
        return total

    def _paragraph(self, cells: list[Text], width: int) -> Iterator[Text]:
        names = [str(column.header) for column in self.columns]
        first = next((i for i, cell in enumerate(cells) if cell.plain.strip()), 0)
        # A column without a name says something of the first, as "yes" of what can be done.
        beside = [i for i, name in enumerate(names) if not name and i != first and cells[i].plain]
        heading = Text("  ").join(cells[index] for index in (first, *beside))
        yield from _wrapped(heading, "", width)
        rows = [
            (name, cell)
            for index, (name, cell) in enumerate(zip(names, cells, strict=True))
            if name and index != first and cell.plain.strip()
        ]
        longest = max((len(name) for name, _ in rows), default=0)
        for name, cell in rows:
            yield from _wrapped(cell, f"{'':{_INDENT}}{name:<{longest}}  ", width)


def _wrapped(text: Text, before: str, width: int) -> Iterator[Text]:
    """Lines of ``text`` behind ``before``, folded between words."""
    import textwrap

    lines = textwrap.wrap(
        text.plain, max(width - len(before), 20), break_long_words=False, break_on_hyphens=False
    )
    for number, line in enumerate(lines or [""]):
        yield Text.assemble(before if not number else " " * len(before), (line, text.style))


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text(str(cell))
