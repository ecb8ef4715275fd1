"""The process that converts: it imports the heavy libraries once, and forks for each component.

A component's gigabytes go back to the system when its process ends, and a crash (out of memory
included) takes one component with it, not the export. How it is spoken with is told in
:mod:`mobileo_export.processes.worker`.
"""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from mobileo_export import memory
from mobileo_export.errors import typed_line
from mobileo_export.export import forks
from mobileo_export.processes import broken_imports, collecting, importing, worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mobileo_export.converters.base import Probe
    from mobileo_export.converters.options import Options
    from mobileo_export.progress import OnStage


def serve(jobs: TextIO, events: TextIO, libraries: Sequence[str]) -> None:
    """Run the ``jobs``, one JSON object a line, each in a child as it comes; report on ``events``.

    After the last event of a job comes ``ended``: the exit code of its process, negative for a
    signal, and the most memory it took. The ``libraries`` are imported first; each is announced by
    ``importing``, in case it takes the process with it, and one that cannot be imported ends the
    work with ``unusable``. Then the worker is ``ready``.
    """
    try:
        _import(libraries, events)
    except BaseException as error:
        traceback.print_exc()
        found = broken_imports.explained(error)
        worker.send(events, "unusable", message=str(found or typed_line(error)))
        return
    worker.send(events, "ready")
    if sys.platform == "darwin":  # its frameworks do not survive a fork: jobs share this process
        for line in jobs:
            job = json.loads(line)
            _run(job, events)
            worker.send(events, "ended", id=job["id"], code=0, peak_memory=memory.own_peak())
    else:
        forks.serve(jobs.fileno(), events, lambda line, out: _run(json.loads(line), out))


def _run(job: dict[str, Any], events: TextIO) -> None:
    worker.perform(job, convert_component, events, job["output"])


def convert_component(job: dict[str, Any], report: OnStage) -> dict[str, Any]:
    """Convert one component as ``job`` says; returns what the manifest states of it."""
    from mobileo_export import targets
    from mobileo_export.checkpoint.mapped_weights import FileBackedCheckpoint
    from mobileo_export.components import COMPONENTS
    from mobileo_export.compression import plan as compression
    from mobileo_export.converters import registry
    from mobileo_export.converters.base import Request
    from mobileo_export.converters.options import Options

    checkpoint = FileBackedCheckpoint.open(Path(job["checkpoint"]))
    spec = COMPONENTS[job["component"]]
    spec.check(checkpoint)
    chosen = {field.name: job[field.name] for field in fields(Options) if field.name in job}
    if "compression" in chosen:
        chosen["compression"] = compression.of_job(chosen["compression"])
    options = Options((spec,), **chosen)
    request = Request(
        checkpoint,
        spec,
        Path(job["output"]) / targets.form(spec, options.target).path,
        options,
        job["license"],
        _probe(checkpoint.path, options, report),
        report,
    )
    return registry.of(spec, options.target).convert(request)


def _probe(path: Path, options: Options, report: OnStage) -> Probe:
    """Runs real inputs through float32 graphs; the converter knows of no inputs."""

    def probe(files: Mapping[str, Path]) -> dict[str, dict[str, float]]:
        from mobileo_export.checkpoint.folder import Checkpoint
        from mobileo_export.parity.value_ranges import measure

        def progress(done: int, total: int) -> None:
            report("probing", done, total)

        (spec,) = options.components
        weights, target, size = options.weights, options.target, options.layers_per_engine
        return measure(Checkpoint.open(path), spec, files, weights, target, size, progress)

    return probe


def _import(libraries: Sequence[str], events: TextIO) -> None:
    if not libraries:
        return
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    with collecting.paused():
        for done, name in enumerate(libraries):
            module = name.partition(".")[0]
            worker.send(events, "importing", module=module, done=done, total=len(libraries))
            importing.library(name)
    collecting.settle()


def main() -> None:
    """Entry of the process: ``--parent PID [library …]``."""
    parser = worker.arguments("Converts; started by an export.")
    parser.add_argument("libraries", nargs="*", help="modules that are imported first")
    options = parser.parse_args()
    worker.run(lambda events: serve(sys.stdin, events, options.libraries), options.parent)


if __name__ == "__main__":
    main()
