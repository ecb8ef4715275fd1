"""Python runs this before the program: what the environment names as absent is not found."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import DistributionFinder, PathDistribution
from types import ModuleType

_MODULES = frozenset(os.environ.get("ABSENT_MODULES", "").split(","))
_DISTRIBUTIONS = frozenset(os.environ.get("ABSENT_DISTRIBUTIONS", "").split(","))


class Finder(PathFinder):
    """Finds nothing of what is absent: ``find_spec`` is None, as if it was not installed."""

    @classmethod
    def find_spec(
        cls,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in _MODULES:
            return None
        return super().find_spec(fullname, path, target)

    @staticmethod
    def find_distributions(*context: DistributionFinder.Context) -> Iterator[PathDistribution]:
        for found in PathFinder.find_distributions(*context):
            if re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower() not in _DISTRIBUTIONS:
                yield found


sys.meta_path[:] = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
