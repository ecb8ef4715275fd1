"""Text that comes in pieces, broken between words where the terminal ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO


class FlowingText:
    """Writes to ``stream``; on a terminal a word waits until it is known on which line it fits."""

    def __init__(self, stream: TextIO) -> None:
        import shutil

        self._stream = stream
        self._width = shutil.get_terminal_size().columns if stream.isatty() else 0
        self._column = 0
        self._waiting = ""  # spaces, then the beginning of a word

    def add(self, text: str) -> None:
        """What comes next."""
        if not self._width:
            self._write(text)
            return
        for character in text:
            if character == "\n":
                self._put()
                self._write("\n")
                self._column = 0
                continue
            if character.isspace() and self._waiting.strip():
                self._put()
            self._waiting += character

    def end(self) -> None:
        """The last word, and the end of its line."""
        self._put()
        self._write("\n")

    def _put(self) -> None:
        word = self._waiting
        if self._column and self._column + len(word) > self._width:
            self._write("\n")
            word, self._column = word.lstrip(), 0
        self._write(word)
        self._column += len(word)
        self._waiting = ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
