"""Importing libraries, the seconds in which nothing else happens: who is told, what is left out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

# Packages that libraries take along where they happen to be installed, and that nothing here uses:
# diffusers and transformers SciPy, a second of every program; coremltools the others.
UNUSED = ("scipy", "sklearn", "xgboost", "tensorflow", "libsvm")
# What a library imports to know whether it is there, for modules of its own that nothing here uses:
# half of the seconds that it takes where no reference needs them.
_LOOKED_FOR = {"coremltools": ("torchvision", "transformers")}


class _Listener:
    """Asked by Python where a module lies; it does not say, it only tells of it."""

    def __init__(self, modules: Collection[str], tell: Callable[[str], None]) -> None:
        self._modules, self._tell = modules, tell

    def find_spec(self, name: str, *place: object) -> None:
        if name in self._modules:
            self._tell(name)


@contextmanager
def told(modules: Collection[str], tell: Callable[[str], None]) -> Iterator[None]:
    """Call ``tell`` with the name of each of ``modules`` whose import begins during the block."""
    listener = _Listener(modules, tell)
    sys.meta_path.insert(0, listener)
    try:
        yield
    finally:
        sys.meta_path.remove(listener)


def without_unused() -> None:
    """Let libraries find none of :data:`UNUSED` in this process: neither slow nor broken ones.

    For programs of ours: in a process that is somebody else's they may be of use.
    """
    for name in UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # Python's way to say so


def library(name: str) -> None:
    """Import a module, and nothing that it only looks for. For programs of ours."""
    hidden = [other for other in _LOOKED_FOR.get(name, ()) if other not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        import_module(name)
    finally:
        for other in hidden:
            del sys.modules[other]
