"""Signals that end a program, where what is being finished has to be whole before it ends."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HeardOnce:
    """A block that the first signal leaves; those behind it are ignored until it is left.

    So a second Ctrl-C does not cut short what the first one's way out of the block waits for. It
    is for blocks whose way out takes seconds. Handlers belong to the main thread: in another this
    does nothing.
    """

    def __init__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._heard = False
        self._held = False
        self._waiting: int | None = None

    def __enter__(self) -> HeardOnce:
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                handler = signal.getsignal(number)
                if callable(handler):  # others end the process at once, or are ignored
                    self._before[number] = handler
                    signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            self._waiting = number
        elif not self._heard:
            self._heard = True
            self._before[number](number, frame)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What must not be left half-way: a signal that comes meanwhile is heard behind it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._waiting is not None:
            self._hear(self._waiting, None)
