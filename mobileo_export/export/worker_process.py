"""The process that converts: it imports the heavy libraries once, and forks for each component.

A component's gigabytes go back to the system when its process ends, and a crash (out of memory
included) takes one component with it, not the export. Speaks JSON lines: jobs on standard input,
events on standard output; whatever libraries print goes to the log on standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from mobileo_export import memory
from mobileo_export.errors import MobileoError
from mobileo_export.export import forks
from mobileo_export.processes import broken_imports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.components import ComponentSpec
    from mobileo_export.converters.onnx.convert import Probe
    from mobileo_export.converters.onnx.precision import Rule

Report = Callable[[str, int, int], None]

_LIBRARIES = {
    "ios": ("coremltools",),
    "jetson": ("onnxscript", "transformers.models.qwen2.modeling_qwen2"),
}
_REFERENCES = (
    "diffusers.models.autoencoders.autoencoder_dc",
    "diffusers.models.transformers.sana_transformer",
    "timm.models.fastvit",
)


def serve(jobs: TextIO, events: TextIO, target: str | None) -> None:
    """Run the ``jobs``, one JSON object a line, each in a child as it comes; report on ``events``.

    Every job ends with one of ``done`` (with its result), ``failed`` (the user's to mend) or
    ``crashed`` (not the user's), if nothing kills it, and then with ``ended``: the exit code of its
    process, negative for a signal, and the most memory it took. With a ``target`` the libraries
    that convert for it are imported first; each is announced by ``importing``, in case it takes the
    process with it, and one that cannot be imported ends the work with ``unusable``.
    """
    if target is not None:
        try:
            _import_heavy_libraries(target, events)
        except BaseException as error:
            traceback.print_exc()
            found = broken_imports.explained(error)
            _send(events, {"event": "unusable", "message": str(found or _crash(error))})
            return
    _send(events, {"event": "ready"})
    if sys.platform == "darwin":  # its frameworks do not survive a fork: jobs share this process
        for line in jobs:
            job = json.loads(line)
            _run(job, events)
            ended = {"event": "ended", "id": job["id"], "code": 0}
            _send(events, {**ended, "peak_memory": memory.own_peak()})
    else:
        forks.serve(jobs.fileno(), events, lambda line, out: _run(json.loads(line), out))


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
    except BaseException as error:
        unusable = broken_imports.explained(error)
        failed = {"event": "failed", "id": job["id"]}
        if unusable is not None:
            traceback.print_exc()
            _send(events, {**failed, "kind": type(unusable).__name__, "message": str(unusable)})
        elif isinstance(error, OSError):
            message = f"{error.filename or job['output']}: {error.strerror or error}"
            _send(events, {**failed, "kind": "OSError", "message": message})
        else:  # a bug of ours or of a library
            traceback.print_exc()
            _send(events, {"event": "crashed", "id": job["id"], "message": _crash(error)})


def _crash(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def convert_component(job: dict[str, Any], report: Report) -> dict[str, Any]:
    """Convert one component as ``job`` says; returns what the manifest states of it."""
    from mobileo_export import targets
    from mobileo_export.checkpoint.mapped_weights import FileBackedCheckpoint
    from mobileo_export.components import COMPONENTS

    checkpoint = FileBackedCheckpoint.open(Path(job["checkpoint"]))
    spec = COMPONENTS[job["component"]]
    spec.check(checkpoint)
    form = targets.form(spec, job["target"])
    output = Path(job["output"]) / form.path
    tensors = spec.tensors(checkpoint.model)
    if form.kind == "mlx":
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
            "bits_per_weight": result.bits_per_weight,
            "unquantized": list(result.unquantized),
        }
    checkpoint.reserve(output.parent, tensors.values())
    if form.kind == "onnx":
        from mobileo_export.converters.onnx.convert import convert as convert_onnx

        written = convert_onnx(
            checkpoint,
            spec,
            output,
            weights=job["weights"],
            precision=job["precision"],
            layers_per_engine=job["layers_per_engine"],
            written_plan=_written_plan(job),
            probe=_probe(job, spec, report),
            progress=report,
        )
        return written.as_json()
    from mobileo_export.converters.coreml.convert import convert as convert_coreml

    package = convert_coreml(
        checkpoint,
        spec,
        output,
        weights=job["weights"],
        precision=job["precision"],
        license_text=job["license"],
        progress=report,
    )
    return {"operations": dict(sorted(package.operations.items()))}


def _written_plan(job: dict[str, Any]) -> dict[str, tuple[Rule, ...]]:
    from mobileo_export.converters.onnx.precision import Rule

    return {
        graph: tuple(Rule(entry["nodes"], entry["reason"]) for entry in entries)
        for graph, entries in job["precision_plan"].items()
    }


def _probe(job: dict[str, Any], spec: ComponentSpec, report: Report) -> Probe:
    """Runs real inputs through float32 graphs; the converter knows of no inputs."""
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.parity.value_ranges import measure

    def probe(files: Mapping[str, Path]) -> dict[str, dict[str, float]]:
        checkpoint = Checkpoint.open(Path(job["checkpoint"]))

        def progress(done: int, total: int) -> None:
            report("probing", done, total)

        size = job["layers_per_engine"]
        return measure(checkpoint, spec, files, job["weights"], size, progress)

    return probe


def _import_heavy_libraries(target: str, events: TextIO) -> None:
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    for name in (*_LIBRARIES[target], *_REFERENCES):
        _send(events, {"event": "importing", "module": name.partition(".")[0]})
        import_module(name)


def _send(events: TextIO, message: dict[str, Any]) -> None:
    events.write(json.dumps(message) + "\n")
    events.flush()


def main() -> None:
    """Entry of the process: ``--parent PID [--preload TARGET]``."""
    parser = argparse.ArgumentParser(description="Converts; started by an export.")
    parser.add_argument("--parent", type=int, required=True, help="the process to end with")
    parser.add_argument("--preload", help="the target whose libraries are imported first")
    options = parser.parse_args()
    forks.die_with(options.parent)
    # Libraries print to standard output; the protocol keeps the real one to itself.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        serve(sys.stdin, events, options.preload)
    os._exit(0)  # what libraries do at the end of a process is of no use here


if __name__ == "__main__":
    main()
