"""The process that builds one engine: ``python -m mobileo_export.jetson.build_process``.

TensorRT gives memory back for good only when its process ends, and a kernel short of memory kills
one engine's build, not the others'. A job comes as one JSON line on standard input, which stays
open: when it closes, whoever wanted the engine is gone and the build ends. Events go to standard
output as JSON lines; what libraries print goes to the log on standard error.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from typing import Any, TextIO

from mobileo_export.errors import MobileoError


def main() -> None:
    """Read a job, build, say how it went; exits with 0 whatever came of it."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    _send(events, run(job, events))


def run(job: dict[str, Any], events: TextIO) -> dict[str, Any]:
    """Build what ``job`` says, or load it; the last event."""
    from mobileo_export.jetson import build_engine

    def report(stage: str, done: int, total: int) -> None:
        _send(events, {"event": "progress", "stage": stage, "done": done, "total": total})

    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        work = build_engine.load if job["load"] else build_engine.build
        return {"event": "done", "result": work(job, report, log)}
    except (MobileoError, MemoryError) as error:
        log(f"[ERROR] {error}")
        return {"event": "failed", "message": str(error) or "out of memory"}
    except OSError as error:
        log(f"[ERROR] {error}")
        where = error.filename or job["engine"]
        return {"event": "failed", "message": f"{where}: {error.strerror or error}"}
    except Exception as error:  # a bug of ours or of a library
        traceback.print_exc()
        return {"event": "failed", "message": f"{type(error).__name__}: {error}"}


def _end_with(descriptor: int) -> None:
    # Not the buffered stream, whose lock would still be held when the interpreter ends.
    while os.read(descriptor, 4096):
        pass
    os._exit(1)  # the other end has closed, however that happened


def _send(events: TextIO, message: dict[str, Any]) -> None:
    events.write(json.dumps(message) + "\n")
    events.flush()


if __name__ == "__main__":
    main()
