"""Jobs of one component, run by workers."""

from __future__ import annotations

from typing import Any

from mobileo_export.errors import MobileoError
from mobileo_export.export import workers
from mobileo_export.progress import Progress

Job = dict[str, Any]


def run(*jobs: Job, log: Any = None) -> tuple[workers.Outcome, list[Progress]]:
    seen: list[Progress] = []
    lane = workers.Lane(list(jobs))
    return workers.run([lane], log, workers.Hooks(progress=seen.append)), seen


def failure(*jobs: Job, log: Any = None) -> MobileoError:
    """The error of the only job that failed."""
    outcome, seen = run(*jobs, log=log)
    ((name, error),) = outcome.failures.items()
    assert Progress(name, "failed", 0, 1) in seen
    assert name not in outcome.results
    return error
