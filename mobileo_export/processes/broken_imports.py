"""A library that cannot be imported: its name, and what mends it, in one line.

Of one that is not there :mod:`mobileo_export.processes.extras` tells which extra brings it.
"""

from __future__ import annotations

import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import mobileo_export
from mobileo_export.errors import MissingDependencyError, typed_line
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_OURS = {mobileo_export.__name__, "__main__"}
_EXAMINE = "mobileo-export doctor --imports tries all of them"


def explained(error: BaseException) -> MissingDependencyError | None:
    """``error`` as the fault of a library that was being imported; None if it is something else."""
    chain = list(_chain(error))
    ended = isinstance(error, MemoryError | KeyboardInterrupt)
    if ended or not any(_while_importing(link) for link in chain):
        return None
    absent = next(filter(None, map(extras.missing, chain)), None)
    if absent is not None:
        return absent
    line = _of_library(chain)
    return None if line is None else MissingDependencyError(line)


def _of_library(chain: list[BaseException]) -> str | None:
    """Which library failed, and what mends it; where it began counts."""
    for link in reversed(chain):
        found = _place(link)
        if found is not None:
            return _line(*found, link)
    missing = next((e for e in reversed(chain) if isinstance(e, ModuleNotFoundError)), None)
    if missing is not None and missing.name:
        name = missing.name.partition(".")[0]
        return None if name in _OURS else f"{typed_line(missing)}; pip install {name}; {_EXAMINE}"
    first = chain[-1]
    if isinstance(first, ImportError) and first.name:
        name = first.name.partition(".")[0]
        path = Path(first.path) if first.path else None
        return None if name in _OURS else _line(name, path, first)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it was raised from.

    Not those that it met on its way: who tries another library first may fail for another reason.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__


def _while_importing(error: BaseException) -> bool:
    """Whether another's module was being executed, or not found."""
    if isinstance(error, ImportError):
        return True
    return any(
        frame.f_code.co_name == "<module>" and _package(frame) not in _OURS
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _place(error: BaseException) -> tuple[str, Path | None] | None:
    """The innermost library that the error came through, and the file."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        name = _package(frame)
        if name in _OURS:
            return None
        if name and name not in sys.stdlib_module_names:
            return name, Path(frame.f_code.co_filename)
    return None


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _line(name: str, file: Path | None, error: BaseException) -> str:
    said = f"{name} cannot be imported ({typed_line(error)})"
    missing = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    needed = missing.partition(".")[0]
    if needed and needed != name:
        return f"{said}: pip install {needed}; {_EXAMINE}"
    installed = _distribution(name)
    if installed is None:
        return f"{said}; it is the one in {file}: repair it or take it off the path"
    if file is not None and not file.is_relative_to(str(installed.locate_file(""))):
        return f"{said}; it is not the installed one, but {file}: take its folder out of PYTHONPATH"
    wanted = f"{installed.metadata['Name']}=={installed.version.partition('+')[0]}"
    return f"{said}: pip install --force-reinstall '{wanted}'; {_EXAMINE}"


def _distribution(name: str) -> metadata.Distribution | None:
    """What brought the top-level module ``name``."""
    names = metadata.packages_distributions().get(name, ())
    return metadata.distribution(names[0]) if names else None
