"""One numbered case: what is damaged, how, and what becomes of it; the same on every machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from .guard import Verdict, judge
from .readers import Inputs
from .targets import TARGETS, run

SECRET = b'{"secret": true}\n'


@dataclass(frozen=True)
class Case:
    """Everything that decides a case, beside the corpus."""

    target: str
    seed: int
    number: int

    def random(self) -> Random:
        """The case's own numbers."""
        return Random(f"{self.target}/{self.seed}/{self.number}")


@dataclass(frozen=True)
class Result:
    """A judged case; ``damage`` says what was done to the input."""

    case: Case
    damage: str
    verdict: Verdict

    def record(self) -> dict[str, Any]:
        """As one line of a results file."""
        return {**asdict(self.case), "damage": self.damage, **asdict(self.verdict)}


def cases(seed: int, count: int, targets: Iterable[str]) -> list[Case]:
    """So many cases, the targets in turn."""
    names = list(targets)
    return [Case(names[number % len(names)], seed, number) for number in range(count)]


def perform(case: Case, corpus: Path, work: Path, keep: Path | None = None) -> Result:
    """Damage a copy in ``work``, read it, and clean up; the input of a bug is kept.

    Args:
        case: which.
        corpus: see :mod:`corpus`.
        work: an existing folder for the case's files.
        keep: where the inputs of bugs go.
    """
    target, random = TARGETS[case.target], case.random()
    place = work / "case"
    shutil.rmtree(place, ignore_errors=True)
    inputs, outside, output = place / "input", place / "outside", place / "output"
    shutil.copytree(corpus / target.corpus, inputs, copy_function=_link)
    outside.mkdir()
    output.mkdir()
    (outside / "secret.json").write_bytes(SECRET)
    damage = target.damage(random, inputs, outside)
    previous = tempfile.tempdir
    tempfile.tempdir = str(output)  # scratch files are allowed
    try:
        verdict = judge(
            lambda: run(target, Inputs(inputs, corpus, output, random)),
            inputs=inputs,
            outside=outside,
            output=output,
            bounds=target.bounds,
        )
    finally:
        tempfile.tempdir = previous
    if verdict.outcome == "bug" and keep is not None:
        kept = keep / f"{case.target.replace(' ', '-')}-{case.seed}-{case.number}"
        shutil.rmtree(kept, ignore_errors=True)
        _keep(inputs, kept)
    shutil.rmtree(place, ignore_errors=True)
    return Result(case, damage, verdict)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)
    return target


def _keep(inputs: Path, kept: Path) -> None:
    """A copy of the damaged input; pipes and sparse giants by name only."""

    def copy(source: str, target: str) -> str:
        if Path(source).is_file() and Path(source).stat().st_size < 1 << 30:
            shutil.copy2(source, target)
        return target

    def special(folder: str, names: list[str]) -> set[str]:
        paths = {name: Path(folder, name) for name in names}
        return {n for n, p in paths.items() if not (p.is_file() or p.is_dir() or p.is_symlink())}

    shutil.copytree(inputs, kept, symlinks=True, copy_function=copy, ignore=special)
