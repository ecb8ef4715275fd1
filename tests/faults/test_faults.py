"""A little of the fault suite; ``python -m tests.faults`` is all of it.

The language model alone: it converts in a second, by the same way as the others. What is found is
compared with a bundle of the program that users start; it is at work in forks of this process.
"""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.bundle.workspace import MARKER, partial_of
from tests.faults import kills, troubles
from tests.faults.harness import Export, contents
from tests.process_tree import wait_until

if TYPE_CHECKING:
    from pathlib import Path

ONLY = "llm"
SEED = 20


@pytest.fixture(scope="module")
def reference(
    tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], int]:
    """An uninterrupted bundle, and how many operations on files it takes."""
    export = Export(tiny_checkpoint, tmp_path_factory.mktemp("reference"), ONLY)
    operations = export.count()
    return contents(export.output), operations


@pytest.fixture
def export(tiny_checkpoint: Path, tmp_path: Path) -> Export:
    (tmp_path / "work").mkdir()
    return Export(tiny_checkpoint, tmp_path / "work", ONLY, forked=True)


@pytest.fixture
def own_checkpoint(tiny_copy: Path, tmp_path: Path) -> Export:
    """The same with a checkpoint that may be damaged."""
    (tmp_path / "work").mkdir()
    return Export(tiny_copy, tmp_path / "work", ONLY, forked=True)


def test_killed_at_operations_on_files(
    export: Export, reference: tuple[dict[str, str], int]
) -> None:
    """Four kills, each where the one before left off; a last run completes it."""
    bundle, operations = reference
    assert operations > 10
    chance, tally = random.Random(SEED), kills.Tally()
    kept: list[str] = []
    for number in sorted(chance.sample(range(2, operations), 4)):
        found = kills.at_operation(export, number, tally)
        if export.output.exists():
            break
        assert set(kept) <= set(found), "finished work was lost"
        kept = found
    export.complete(bundle, kept)
    assert tally.strikes["SIGKILL at an operation"] >= 2


def test_killed_while_a_bundle_is_replaced(
    export: Export, reference: tuple[dict[str, str], int]
) -> None:
    """The last operations of a replacement, where the swap is: always one whole bundle."""
    bundle, _ = reference
    assert export.run("--llm-bits", "4").code == 0
    other = contents(export.output)
    tally = kills.Tally()
    swapped = []
    for number in (14, 20, 26):
        kills.at_operation(export, number, tally)
        swapped.append(contents(export.output))
        assert swapped[-1] in (other, bundle)
    export.complete(bundle, [])


def test_struck_at_random(export: Export, reference: tuple[dict[str, str], int]) -> None:
    """The program that users start, from its first moment."""
    export.forked = False
    chance, tally = random.Random(SEED), kills.Tally()
    kills.series(export, reference[0], 1.5, 4, chance, tally)
    assert tally.completed >= 1
    assert sum(tally.strikes.values()) + tally.missed == 4


def test_a_strike_is_judged_once_work_has_begun(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminating(random.Random):
        def choices(self, *given: object, **named: object) -> list[Any]:
            return ["SIGTERM"]

    marker = partial_of(export.output) / MARKER
    soon = SimpleNamespace(sleep=lambda seconds: wait_until(marker.exists))
    monkeypatch.setattr(kills, "time", soon)
    tally = kills.Tally()
    kills.at_random(export, 1.0, Terminating(SEED), tally)
    assert (tally.judged, tally.missed) == (1, 0)


@pytest.mark.parametrize("number", [5, 12, 19])
def test_an_operation_that_is_refused(
    export: Export, reference: tuple[dict[str, str], int], number: int
) -> None:
    troubles.refused_operation(export, number, reference[0])


def test_a_full_disk(
    tiny_checkpoint: Path, tmp_path: Path, reference: tuple[dict[str, str], int]
) -> None:
    try:
        troubles.full_disk(tiny_checkpoint, tmp_path, ONLY, reference[0])
    except troubles.ImpossibleError as error:
        pytest.skip(str(error))


def test_a_shard_that_is_cut_short_meanwhile(
    own_checkpoint: Export, tiny_checkpoint: Path, reference: tuple[dict[str, str], int]
) -> None:
    troubles.shard_cut_short(own_checkpoint, tiny_checkpoint, reference[0])


def test_a_shard_that_is_replaced_meanwhile(
    own_checkpoint: Export, tiny_checkpoint: Path, reference: tuple[dict[str, str], int]
) -> None:
    troubles.shard_replaced(own_checkpoint, tiny_checkpoint, reference[0])


def test_a_folder_that_may_not_be_written(export: Export) -> None:
    try:
        troubles.forbidden_folder(export)
    except troubles.ImpossibleError as error:
        pytest.skip(str(error))


def test_a_clock_that_jumps(export: Export, reference: tuple[dict[str, str], int]) -> None:
    troubles.mad_clock(export, reference[0], SEED)
