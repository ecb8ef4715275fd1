"""Environments in which packages are absent, made from one in which they are installed.

A child process of such an environment neither finds their modules nor their metadata: nothing but
what the chosen extras bring, with all that this needs itself, is there. Its own children neither.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from tests.command import Finished

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
OURS = "mobileo-export"
_SITE = Path(__file__).parent / "site"


def normal(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def environment(*extras: str) -> dict[str, str]:
    """The variables of a process that has the core and ``extras``, and no other package."""
    there = set(_closure(OURS, extras))
    modules = {
        module
        for module, names in _brought().items()
        if not {normal(name) for name in names} & there
        and module not in sys.stdlib_module_names
        and not (ROOT / module).exists()  # some distributions bring a module named tests
    }
    gone = {normal(found.name) for found in metadata.distributions()} - there
    path = (str(_SITE), str(ROOT), os.environ.get("PYTHONPATH", ""))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "ABSENT_MODULES": ",".join(sorted(modules)),
        "ABSENT_DISTRIBUTIONS": ",".join(sorted(gone)),
    }


class Shell:
    """``mobileo-export`` with variables and in a folder of its own: one process, many commands."""

    def __init__(self, variables: dict[str, str], folder: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.absent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=variables,
            cwd=folder,
        )

    def __call__(self, *arguments: str | Path) -> Finished:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([*map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        return Finished(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)


class Absent(Shell):
    """``mobileo-export`` with the core and ``extras`` alone."""

    def __init__(self, *extras: str) -> None:
        super().__init__(environment(*extras))


def _closure(name: str, extras: tuple[str, ...]) -> Iterator[str]:
    """``name`` and everything that it needs, in normal form."""
    seen: set[tuple[str, str]] = set()
    waiting = [(normal(name), extra) for extra in ("", *extras)]
    while waiting:
        dist, extra = item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        requirements = _requirements(dist)
        if requirements is None:
            continue
        yield dist
        for requirement in requirements:
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(normal(requirement.name), e) for e in ("", *requirement.extras)]


@cache
def _requirements(dist: str) -> list[Requirement] | None:
    """What is stated to be needed; None of what is not installed."""
    try:
        return [Requirement(text) for text in metadata.requires(dist) or ()]
    except metadata.PackageNotFoundError:
        return None


_brought = cache(metadata.packages_distributions)
