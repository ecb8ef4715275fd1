"""Signals behind the first, and signals that come at the wrong moment."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from mobileo_export.processes.interrupts import ENDING, HeardOnce

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def handlers(heeded: None) -> Iterator[None]:
    """All as they were, whatever a test does to them."""
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    assert {number: signal.getsignal(number) for number in ENDING} == before


def interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def test_the_first_leaves_the_block_and_the_others_are_ignored_on_the_way_out() -> None:
    way_out: list[str] = []

    def work() -> None:
        with HeardOnce():
            try:
                interrupt()
            finally:
                interrupt()
                way_out.append("whole")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert way_out == ["whole"]
    with pytest.raises(KeyboardInterrupt):  # as ever behind it
        interrupt()


def test_what_is_held_is_whole_before_a_signal_is_heard() -> None:
    done: list[str] = []

    def work() -> None:
        with HeardOnce() as interrupts:
            with interrupts.held():
                interrupt()
                done.append("whole")
            done.append("more")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["whole"]


def test_what_the_system_does_or_nohup_ignores_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with HeardOnce():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            interrupt(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_it_does_nothing() -> None:
    handler = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with HeardOnce() as interrupts, interrupts.held():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handler]
