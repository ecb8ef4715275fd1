"""Every command where the core alone, or one extra, is installed: it works, or says what lacks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests import absent
from tests.absent import following
from tests.absent.commands import COMMANDS, ENVIRONMENTS, assert_lacks, lacking, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.command import Finished

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="there is no export extra")


@pytest.fixture(scope="module")
def installed() -> Iterator[Callable[[frozenset[str]], absent.Absent]]:
    """What runs commands beside some extras."""
    there: dict[frozenset[str], absent.Absent] = {}

    def get(extras: frozenset[str]) -> absent.Absent:
        if extras not in there:
            there[extras] = absent.Absent(*sorted(extras))
        return there[extras]

    yield get
    for each in there.values():
        each.close()


@pytest.fixture(scope="module")
def ran() -> dict[tuple[frozenset[str], str], Finished]:
    """By extras and line, what was run already: the places are alike for all tests."""
    return {}


@pytest.mark.parametrize("line", COMMANDS)
@pytest.mark.parametrize("extra", [*ENVIRONMENTS, "run"], ids=lambda extra: extra or "core")
def test_it_works_or_says_what_it_lacks(
    line: str,
    extra: str,
    installed: Callable[[frozenset[str]], absent.Absent],
    ran: dict[tuple[frozenset[str], str], Finished],
    places: dict[str, Path],
    tmp_path: Path,
) -> None:
    lacks = lacking(line, extra)

    def run() -> Finished:
        there = frozenset(filter(None, [extra]))
        ran[there, line] = installed(there)(*typed(line, places))
        return ran[there, line]

    assert_lacks(lacks, run, tmp_path, lambda done: lacks in done.error())


# What is found out once what a first message names is there: a bundle's runtime, the hub's folder.
_STEPS = {"serve BUNDLE": 2}


@pytest.mark.parametrize("line", [line for line in COMMANDS if "[" in COMMANDS[line][0]])
def test_who_does_as_the_message_says_gets_what_was_asked_for(
    line: str,
    installed: Callable[[frozenset[str]], absent.Absent],
    ran: dict[tuple[frozenset[str], str], Finished],
    places: dict[str, Path],
) -> None:
    there: frozenset[str] = frozenset()

    def run() -> Finished:
        if (there, line) not in ran:
            ran[there, line] = installed(there)(*typed(line, places))
        return ran[there, line]

    for step in range(_STEPS.get(line, 1)):
        done = run()
        assert done.code == 2, done.err
        named = following.extras(done.error())
        assert named - there, f"{step}: {done.error()} brings nothing new"
        there |= named
    if "skip" in COMMANDS[line] or line.startswith("serve"):
        return  # takes long where it works, or until somebody ends it
    done = run()
    assert done.code == 0 or "hub cache" in done.error(), done.err


@pytest.mark.parametrize(
    ("message", "command", "extras"),
    [
        ("x needs y: pip install '.[a,b]' in a clone of mobileo-export", "'.[a,b]'", {"a", "b"}),
        ("x: pip install . in a clone", ".", set()),
        ("x: pip install 'm[a] @ file:///x/m%20n.whl'", "'m[a] @ file:///x/m%20n.whl'", {"a"}),
        ("x; run: pip install pillow-heif, or save it", "pillow-heif", set()),
        (
            "x: pip install --force-reinstall 'a==1.0' b; then",
            "--force-reinstall 'a==1.0' b",
            set(),
        ),
    ],
)
def test_a_command_is_read_from_a_message(message: str, command: str, extras: set[str]) -> None:
    assert following.command(message) == f"pip install {command}"
    assert following.extras(message) == extras
