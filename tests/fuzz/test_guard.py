"""The guard sees what it is there for: readers that misbehave on purpose."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mobileo_export.errors import UsageError

from .guard import Bounds, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("input", "outside", "output"):
        (tmp_path / name).mkdir()
    (tmp_path / "input" / "file").write_text("{}")
    (tmp_path / "outside" / "secret").write_text("secret")
    return tmp_path


def watched(place: Path, use: Callable[[], object], **bounds: float) -> Verdict:
    limits = Bounds(**bounds) if bounds else Bounds()  # type: ignore[arg-type]
    return judge(
        use,
        inputs=place / "input",
        outside=place / "outside",
        output=place / "output",
        bounds=limits,
    )


def test_a_reader_that_reads(place: Path) -> None:
    found = watched(place, (place / "input" / "file").read_text)
    assert (found.outcome, found.detail) == ("ok", "")


def test_a_reader_that_refuses(place: Path) -> None:
    def use() -> None:
        raise UsageError("no\n such \x1b[31m thing")

    found = watched(place, use)
    assert (found.outcome, found.detail) == ("refused", "no such \\x1b[31m thing")


def test_a_reader_that_writes_its_output(place: Path) -> None:
    def use() -> None:
        (place / "output" / "x").mkdir()
        (place / "output" / "x" / "y").write_text("")
        shutil.rmtree(place / "output" / "x")

    assert watched(place, use).outcome == "ok"


@pytest.mark.parametrize(
    ("use", "detail"),
    [
        (lambda p: dict[str, str]()["key"], "KeyError: 'key'"),
        (lambda p: (p / "elsewhere").write_text(""), "wrote to {p}/elsewhere"),
        (lambda p: (p / "input" / "file").write_text("changed"), "wrote to {p}/input/file"),
        (lambda p: (p / "outside" / "secret").unlink(), "wrote to {p}/outside/secret"),
        (lambda p: (p / "made").mkdir(), "wrote to {p}/made"),
        (lambda p: (p / "input" / "file").rename(p / "x"), "wrote to {p}/input/file"),
        (lambda p: (p / "outside" / "secret").read_text(), "opened {p}/outside/secret"),
        (lambda p: (p / "input/../outside/secret").read_text(), "opened {p}/outside/secret"),
        (lambda p: os.system(f"echo changed > {p}/outside/secret"), "changed the input"),
        (lambda p: raise_(SystemExit(3)), "SystemExit: 3"),
    ],
)  # fmt: skip
def test_a_reader_that_does_what_it_must_not(
    place: Path, use: Callable[[Path], object], detail: str
) -> None:
    found = watched(place, lambda: use(place))
    assert found.outcome == "bug"
    assert found.detail.startswith(detail.format(p=place))


def raise_(error: BaseException) -> None:
    raise error


def test_a_reader_that_takes_too_long(place: Path) -> None:
    def spin() -> None:
        while True:
            pass

    assert watched(place, spin, seconds=0.2).detail == "took too long"


def test_a_reader_that_waits_for_ever(place: Path) -> None:
    os.mkfifo(place / "input" / "pipe")
    found = watched(place, (place / "input" / "pipe").read_bytes, seconds=0.1)
    assert found.detail == "took too long"


def test_nothing_that_a_reader_catches_saves_it(place: Path) -> None:
    def stubborn() -> None:
        try:
            time.sleep(60)
        except Exception:
            return

    assert watched(place, stubborn, seconds=0.1).outcome == "bug"


def test_a_reader_that_takes_too_much(place: Path) -> None:
    found = watched(place, lambda: np.ones(8 << 20).sum(), memory=16 << 20)
    assert found.outcome == "bug"
    assert found.detail.startswith("grew by")
    assert found.memory > 60 << 20
