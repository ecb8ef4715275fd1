"""A second process that makes calls: results, progress, and what becomes of failures."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

import pytest

from mobileo_export.errors import BundleError
from mobileo_export.processes.beside import Beside, Here, at_once
from mobileo_export.progress import OnProgress, Progress, ignore
from tests.process_tree import children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = os.getpid()


def where(value: object, progress: OnProgress) -> tuple[object, int]:
    """``value``, and the process that has it."""
    progress(Progress("where", "looking", 1, 2))
    progress(Progress("where", "looking", 2, 2))
    return value, os.getpid()


def loaded(name: str, progress: OnProgress) -> bool:
    return name in sys.modules


def threads(progress: OnProgress) -> str:
    return os.environ["OMP_NUM_THREADS"]


def fails(progress: OnProgress) -> NoReturn:
    raise BundleError(f"process {os.getpid()}")


def dies_elsewhere(tests: int, progress: OnProgress) -> int:
    if os.getpid() != tests:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def sleeps(progress: OnProgress) -> None:
    time.sleep(600)


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module can be found from another process too."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))


@pytest.fixture
def beside(importable: None) -> Iterator[tuple[Beside, list[Progress]]]:
    events: list[Progress] = []
    with Beside(events.append, 3, ("colorsys",)) as opened:
        yield opened, events


def test_a_call_is_made_in_another_process(beside: tuple[Beside, list[Progress]]) -> None:
    calls, _ = beside
    first = calls.begin(where, {"a": (1, 2.5)})
    second = calls.begin(where, b"\0" * 1_000_000)  # more than a pipe holds
    value, process = second()
    assert value == b"\0" * 1_000_000
    assert first() == ({"a": (1, 2.5)}, process)
    assert process != HERE


def test_progress_is_told_by_who_asks_for_the_result(
    beside: tuple[Beside, list[Progress]],
) -> None:
    calls, events = beside
    first, second = calls.begin(where, 1), calls.begin(where, 2)
    second()
    assert [event.done for event in events] == [1, 2]  # of the second alone
    first()
    assert events == [Progress("where", "looking", done, 2) for done in (1, 2, 1, 2)]


def test_libraries_are_imported_before_the_first_call(
    beside: tuple[Beside, list[Progress]],
) -> None:
    calls, _ = beside
    assert calls.begin(loaded, "colorsys")()
    assert not calls.begin(loaded, "torch")()
    assert calls.begin(threads)() == "3"


def test_a_library_that_is_not_there_keeps_no_call_from_being_made(importable: None) -> None:
    with Beside(ignore, 1, ("no_such_library",)) as calls:
        assert calls.begin(where, 1)()[1] != HERE


def test_a_failure_is_that_of_the_call_made_here(beside: tuple[Beside, list[Progress]]) -> None:
    calls, _ = beside
    with pytest.raises(BundleError, match=f"^process {HERE}$"):
        calls.begin(fails)()
    assert calls.begin(where, 1)()[1] != HERE  # it goes on


def test_what_a_dead_process_was_to_do_is_done_here(
    beside: tuple[Beside, list[Progress]],
) -> None:
    calls, events = beside
    killed, waiting = calls.begin(dies_elsewhere, HERE), calls.begin(where, 1)
    assert killed() == HERE
    assert waiting() == (1, HERE)
    assert calls.begin(where, 2)() == (2, HERE)
    assert len(events) == 4


def test_leaving_the_block_ends_it_in_the_middle_of_a_call(importable: None) -> None:
    before = set(children(os.getpid()))
    with Beside(ignore, 1) as calls:
        calls.begin(sleeps)
        assert set(children(os.getpid())) - before
    assert set(children(os.getpid())) <= before


def test_here_a_call_is_made_at_once() -> None:
    events: list[Progress] = []
    calls = Here(events.append)
    result = calls.begin(where, 1)
    assert len(events) == 2
    assert result() == (1, HERE)
    with pytest.raises(BundleError):
        calls.begin(fails)


def test_at_once_gives_what_the_begun_call_gives() -> None:
    def begin(a: int, *, b: int) -> Callable[[], int]:
        """Its words."""
        return lambda: a + b

    whole = at_once(begin)
    assert whole(1, b=2) == 3
    assert whole.__doc__ == "Its words."
