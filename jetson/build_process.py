"""The process that builds one engine: ``python -m mobileo_export.jetson.build_process``.

TensorRT gives memory back for good only when its process ends, and a kernel short of memory kills
one engine's build, not the others'. How it is spoken with is told in
:mod:`mobileo_export.processes.worker`; it takes one job.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

from mobileo_export.errors import MobileoError
from mobileo_export.processes import worker

if TYPE_CHECKING:
    from mobileo_export.progress import OnStage


def main() -> None:
    """Read a job, build, say how it went; exits with 0 whatever came of it."""
    worker.run(serve, worker.arguments("Builds an engine.").parse_args().parent)


def serve(events: TextIO) -> None:
    """Do the job that comes on standard input."""
    job = json.loads(sys.stdin.readline())
    worker.perform(job, build, events, job["engine"])


def build(job: dict[str, Any], report: OnStage) -> dict[str, Any]:
    """Build what ``job`` says, or load it."""
    from mobileo_export.jetson import build_engine

    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        work = build_engine.load if job["load"] else build_engine.build
        return work(job, report, log)
    except (MobileoError, OSError) as error:
        log(f"[ERROR] {error}")  # in the log the cause is looked for
        raise


if __name__ == "__main__":
    main()
