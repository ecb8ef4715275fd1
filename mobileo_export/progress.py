"""What long work tells its caller while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far one job is: ``done`` of ``total`` steps of ``stage``."""

    job: str
    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]
OnStage = Callable[[str, int, int], None]  # of the only job: stage, done, total
OnCount = Callable[[int, int], None]  # of the only stage: done, total


def of_job(job: str, told: OnProgress) -> OnStage:
    """For work that knows no job but its own, which ``told`` knows as ``job``."""
    return lambda stage, done, total: told(Progress(job, stage, done, max(total, 1)))


def ignore(*event: object) -> None:
    """For callers that do not want to know."""
