"""The errors a user can cause: one line that says what is wrong, where, and what to do next.

The command line prints the line and exits with the class's ``exit_code``; anything else that is
raised is a bug of ours, which is said to be one; ``--debug`` shows its traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 1000


def printable(text: str) -> str:
    """``text`` with control characters (of a hostile file name, say) spelled out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def first_line(error: BaseException) -> str:
    """The first line of what ``error`` says, or its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def typed_line(error: BaseException) -> str:
    """``KeyError: 'x'``, in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class MobileoError(Exception):
    """Base of every expected failure. ``exit_code`` is part of the public interface."""

    exit_code = 2

    def __str__(self) -> str:
        """One printable line of bounded length, whatever names out of a file it quotes."""
        line = printable(" ".join(super().__str__().split()))
        if len(line) <= _LONGEST:
            return line
        end = _LONGEST // 3  # what to do next stands at the end
        return f"{line[: _LONGEST - end - 1]}…{line[-end:]}"


class InternalError(Exception):
    """A bug of ours, said with the place where it showed; nothing that a user can cause or mend."""


class UsageError(MobileoError):
    """The request itself cannot be carried out: a bad option, a missing file, an unsafe folder."""


class CheckpointError(MobileoError):
    """A checkpoint cannot be read as what it claims to be."""


class BundleError(MobileoError):
    """A bundle or an artifact in it is missing, damaged or not ours."""


class ConversionError(MobileoError):
    """A component could not be converted, or the result failed its structural checks."""


class ComponentsFailedError(ConversionError):
    """Several components could not be converted; ``failures`` has the error of each."""

    def __init__(self, failures: Iterable[MobileoError]) -> None:
        self.failures = tuple(failures)
        super().__init__("; ".join(map(str, self.failures)))


class MissingDependencyError(MobileoError):
    """A package is needed that the installed extras do not bring."""


class RuntimeUnavailableError(MobileoError):
    """The chosen runtime cannot execute this artifact on this machine."""


class CheckFailedError(MobileoError):
    """A check ran and did not hold."""

    exit_code = 1
