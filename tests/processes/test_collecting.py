from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from mobileo_export.processes import collecting


def test_nothing_is_collected_meanwhile_and_again_afterwards() -> None:
    with collecting.paused():
        assert not gc.isenabled()
        with collecting.paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_failure_does_not_leave_it_off() -> None:
    with pytest.raises(ImportError), collecting.paused():
        raise ImportError("broken")
    assert gc.isenabled()


def test_who_has_switched_it_off_keeps_it_off() -> None:
    gc.disable()
    try:
        with collecting.paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


class Cycle:
    def __init__(self) -> None:
        self.self = self


def test_what_is_settled_is_not_looked_through_and_what_comes_after_is() -> None:
    old = Cycle()
    collecting.settle()
    assert all(found is not old for found in gc.get_objects())
    new = weakref.ref(Cycle())
    gc.collect()
    assert new() is None


ENDING = """
import atexit, gc, sys, types, weakref
from mobileo_export.cli import program

def app():
    kept.extend([] for _ in range(1000))
    weakref.finalize(program, print, "tidied up")
    atexit.register(lambda: print(gc.isenabled(), gc.collect(), gc.get_freeze_count() > 1000))
    raise SystemExit(3)

kept = []
sys.modules["toy"] = types.ModuleType("toy")
sys.modules["toy"].app = app
program.main("toy")
"""


def test_a_program_ends_without_looking_through_all_there_is() -> None:
    """It tidies up, and ends with its code."""
    command = [sys.executable, "-c", ENDING]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.splitlines() == ["False 0 True", "tidied up"]
