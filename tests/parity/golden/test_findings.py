"""Where the artifacts run: beside the references where that saves time, with the same findings."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.parity import findings
from mobileo_export.parity.references import SMALL
from mobileo_export.processes.beside import Beside, Here
from mobileo_export.progress import OnProgress, Progress, ignore
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def plain(value: Any) -> Any:
    """All that was found, but for how long it took."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if "sec" not in f.name}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else repr(value)  # NaN equals itself


def test_two_processes_find_what_one_does(
    recorded: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, before = Checkpoint.open(tiny_checkpoint), torch.get_num_threads()
    torch.set_num_threads(1)  # as over there: how sums are split among threads is seen in them
    alone: list[Progress] = []
    expected = findings.find(recorded, checkpoint, steps=2, progress=alone.append)

    @contextmanager
    def beside(content: object, progress: OnProgress) -> Iterator[Here]:
        with Beside(progress, 1, ("torch",)) as calls:
            yield calls

    def refuse(*_: object) -> None:
        raise AssertionError("an artifact was opened here")

    monkeypatch.setattr(findings, "_calls", beside)
    monkeypatch.setattr(registry, "load", refuse)
    both: list[Progress] = []
    found = findings.find(recorded, checkpoint, steps=2, progress=both.append)
    torch.set_num_threads(before)
    assert found.ok
    assert found.chain is not None
    assert found.replay is not None
    assert plain(found) == plain(expected)
    assert sorted(map(repr, both)) == sorted(map(repr, alone))


@pytest.mark.parametrize(
    ("parameters", "cores", "imported", "expected"),
    [
        (SMALL // 4, {0, 1}, False, 1),
        (SMALL // 4, {0, 1, 2, 3, 4}, False, 2),
        (SMALL // 4 + 1, {0, 1}, False, None),  # two of them would be in memory
        (SMALL // 4, {5}, False, None),
        (SMALL // 4, {0, 1}, True, None),  # what takes long is over
    ],
)
def test_where_a_second_process_gains_nothing_there_is_none(
    parameters: int,
    cores: set[int],
    imported: bool,
    expected: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    @contextmanager
    def started(progress: OnProgress, threads: int, libraries: object) -> Iterator[Here]:
        asked.append(threads)
        yield Here(progress)

    monkeypatch.setattr(findings, "Beside", started)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)
    if not imported:
        monkeypatch.delitem(sys.modules, "torch")
    content = {"components": {"mcp": {"parameters": 1}, "dit": {"parameters": parameters}}}
    with findings._calls(content, ignore):
        assert asked == ([] if expected is None else [expected])
