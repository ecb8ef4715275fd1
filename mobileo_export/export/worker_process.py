"""The process that converts: it imports the heavy libraries once, and forks for each component.

A component's gigabytes go back to the system when its process ends, and a crash (out of memory
included) takes one component with it, not the export. How it is spoken with is told in
:mod:`mobileo_export.processes.worker`.
"""

from __future__ import annotations

import json
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from mobileo_export import memory
from mobileo_export.export import forks
from mobileo_export.processes import broken_imports, worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.components import ComponentSpec
    from mobileo_export.converters.onnx.convert import Probe
    from mobileo_export.converters.onnx.precision import Rule
    from mobileo_export.progress import OnStage

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

    After the last event of a job comes ``ended``: the exit code of its process, negative for a
    signal, and the most memory it took. With a ``target`` the libraries that convert for it are
    imported first; each is announced by ``importing``, in case it takes the process with it, and
    one that cannot be imported ends the work with ``unusable``. Then the worker is ``ready``.
    """
    if target is not None:
        try:
            _import_heavy_libraries(target, events)
        except BaseException as error:
            traceback.print_exc()
            found = broken_imports.explained(error)
            worker.send(events, "unusable", message=str(found or broken_imports.reason(error)))
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


def _probe(job: dict[str, Any], spec: ComponentSpec, report: OnStage) -> Probe:
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
        worker.send(events, "importing", module=name.partition(".")[0])
        import_module(name)


def main() -> None:
    """Entry of the process: ``--parent PID [--preload TARGET]``."""
    parser = worker.arguments("Converts; started by an export.")
    parser.add_argument("--preload", help="the target whose libraries are imported first")
    options = parser.parse_args()
    worker.run(lambda events: serve(sys.stdin, events, options.preload), options.parent)


if __name__ == "__main__":
    main()
