"""The process that converts: it imports the heavy libraries once, and forks for each component.

A component's gigabytes go back to the system when its process ends, and a crash (out of memory
included) takes one component with it, not the export. Speaks JSON lines: jobs on standard input,
events on standard output; whatever libraries print goes to the log on standard error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from mobileo_export.errors import MobileoError

Report = Callable[[str, int, int], None]


def serve(jobs: TextIO, events: TextIO, preload: bool) -> None:
    """Run the ``jobs``, one JSON object a line, until they end; report on ``events``.

    Every job ends with one of ``done`` (with its result), ``failed`` (the user's to mend),
    ``crashed`` (not the user's) or ``died`` (with the exit code, negative for a signal).
    """
    if preload:
        _import_heavy_libraries()
    _send(events, {"event": "ready"})
    for line in jobs:
        job = json.loads(line)
        # macOS frameworks do not survive a fork: there the jobs share this process.
        if sys.platform == "darwin":
            _run(job, events)
            continue
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _run(job, events)
                code = 0
            finally:
                os._exit(code)  # whatever happens, the child must not go on as a second server
        _, status = os.waitpid(child, 0)
        if status != 0:
            code = os.waitstatus_to_exitcode(status)
            _send(events, {"event": "died", "id": job["id"], "code": code})


def _run(job: dict[str, Any], events: TextIO) -> None:
    def report(stage: str, done: int, total: int) -> None:
        _send(
            events,
            {"event": "progress", "id": job["id"], "stage": stage, "done": done, "total": total},
        )

    try:
        result = convert_component(job, report)
        _send(events, {"event": "done", "id": job["id"], "result": result})
    except MobileoError as error:
        kind = type(error).__name__
        _send(events, {"event": "failed", "id": job["id"], "kind": kind, "message": str(error)})
    except OSError as error:
        message = f"{error.filename or job['output']}: {error.strerror or error}"
        _send(events, {"event": "failed", "id": job["id"], "kind": "OSError", "message": message})
    except BaseException as error:  # a bug of ours or of a library
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        _send(events, {"event": "crashed", "id": job["id"], "message": message})


def convert_component(job: dict[str, Any], report: Report) -> dict[str, Any]:
    """Convert one component as ``job`` says; returns what the manifest states of it."""
    from mobileo_export.components import COMPONENTS
    from mobileo_export.file_backed import FileBackedCheckpoint

    checkpoint = FileBackedCheckpoint.open(Path(job["checkpoint"]))
    spec = COMPONENTS[job["component"]]
    spec.check(checkpoint)
    output = Path(job["output"]) / spec.artifact
    tensors = spec.tensors(checkpoint.model)
    digest = checkpoint.digest(tensors, job["weights"])
    if spec.kind == "mlx":
        from mobileo_export.converters.mlx.convert import convert as convert_mlx

        result = convert_mlx(
            checkpoint,
            output,
            weights=job["weights"],
            bits=job["llm_bits"],
            group_size=job["llm_group_size"],
            exceptions=job["llm_exceptions"],
            progress=lambda done, total: report("quantizing", done, total),
        )
        return {
            "tensors_sha256": digest,
            "bits_per_weight": result.bits_per_weight,
            "unquantized": list(result.unquantized),
        }
    from mobileo_export.converters.coreml.convert import convert as convert_coreml

    checkpoint.reserve(output.parent, tensors.values())
    package = convert_coreml(
        checkpoint,
        spec,
        output,
        weights=job["weights"],
        precision=job["precision"],
        progress=report,
    )
    return {"tensors_sha256": digest, "operations": dict(sorted(package.operations.items()))}


def _import_heavy_libraries() -> None:
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    import coremltools  # noqa: F401
    import diffusers.models.autoencoders.autoencoder_dc
    import diffusers.models.transformers.sana_transformer  # noqa: F401
    import timm.models.fastvit  # noqa: F401


def _send(events: TextIO, message: dict[str, Any]) -> None:
    events.write(json.dumps(message) + "\n")
    events.flush()


def main() -> None:
    """Entry of ``python -m mobileo_export.worker``; ``--preload`` imports torch and coremltools."""
    # Libraries print to standard output; the protocol keeps the real one to itself.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, events, "--preload" in sys.argv[1:])


if __name__ == "__main__":
    main()
