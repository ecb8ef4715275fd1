"""What measures us and is not shipped; its children find it by :func:`environment`."""

from __future__ import annotations

import os
from pathlib import Path

from mobileo_export.processes import child_process


def environment() -> dict[str, str]:
    """For a child of a benchmark: no working folder is looked in, so the repository is named."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return child_process.environment(PYTHONPATH=os.pathsep.join(filter(None, paths)))
