"""Standard streams that hold, whatever the user did to them: closed, unread, full, not UTF-8."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any


class _Output(io.FileIO):
    """Output that nobody may want: what cannot be delivered is dropped from then on.

    A reader that has seen enough (``| head``) is no error, and the work goes on to its end: the
    exit code says what was found, not who listened. Another failure, as of a full disk, is kept to
    be told at the end.
    """

    dropped = False
    failure: OSError | None = None

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EINTR}:
                raise
            self.dropped = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                self.failure = error
            return memoryview(data).nbytes


def prepare() -> None:
    """Make the standard streams of this process usable; the first thing that a program does."""
    _open_closed()
    if isinstance(sys.stdin, io.TextIOWrapper):  # whoever reads a line looks for these
        sys.stdin.reconfigure(errors="surrogateescape")
    sys.stdout, sys.stderr = _robust(sys.stdout), _robust(sys.stderr)


def unread() -> bool:
    """Whether nobody reads standard output any more."""
    output = _output()
    return output is not None and output.dropped


def finish() -> OSError | None:
    """Deliver what is printed; why some of it could not be, readers that left apart."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError):  # closed by a library
            stream.flush()
    output = _output()
    return output.failure if output is not None else None


def _output() -> _Output | None:
    buffer: Any = getattr(sys.stdout, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw if isinstance(raw, _Output) else None


def _open_closed() -> None:
    """Closed by the shell (``>&-``), they would be the numbers of the next files to be opened."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            stream = open(nowhere, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _robust(stream: Any) -> Any:
    """``stream`` as :class:`_Output`; any character can be shown on any terminal."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    raw = _Output(stream.fileno())
    unbuffered = isinstance(stream.buffer, io.RawIOBase)
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
