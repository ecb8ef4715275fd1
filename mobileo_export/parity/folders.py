"""The folder of a component against its checkpoint: does it compute what it stores, at what cost?

What it stores is compared number by number; what it computes with the reference that has those
numbers, and with the checkpoint's own. On MLX a small component runs twice: as it is stored, and
in float32, where MLX has to agree to the rounding of single operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.parity import gates
from mobileo_export.parity.judge import run_cases, with_stored
from mobileo_export.parity.language_model.compare import WIDE, load
from mobileo_export.parity.results import ComponentResult
from mobileo_export.parity.stored_values import folders
from mobileo_export.processes.beside import Here, at_once
from mobileo_export.progress import OnProgress
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.references import References


def begin_folder(
    path: Path,
    artifact: Mapping[str, Any],
    spec: ComponentSpec,
    references: References,
    runtime: str,
    progress: OnProgress = lambda event: None,
    calls: Here | None = None,
) -> Callable[[], tuple[ComponentResult, ...]]:
    """Run every case on the folder; what is returned judges it by each gate.

    Args:
        path: the folder, in a bundle or beside a copy of its manifest.
        artifact: its entry in the manifest.
        spec: which component it is.
        references: of the checkpoint that the bundle was made from.
        runtime: ``mlx`` or ``mlx-dequantized``.
        progress: called as cases are done.
        calls: where the folder runs; None for at once, in this process.

    Raises:
        UsageError: the table has no gate for such a folder.
        RuntimeUnavailableError: the runtime does not run on this machine.
    """
    calls = calls or Here(progress)
    checkpoint = references.checkpoint
    folder = folders.of_bundle(path.parent, {**artifact, "path": path.name}, spec, checkpoint.model)
    stated = artifact["compute_precision"]
    precision = registry.ENTRIES[runtime].computes or stated
    exact = gates.find(spec.name, precision, runtime, "stored weights")
    truth, plain = folder.runs(references), references.runs(spec.name)
    judged_by = [(exact, truth)]
    measured = folder.gate(runtime, checkpoint)
    if measured is not None and not folder.exact:
        judged_by.append((measured, plain))
    begun = [calls.begin(run_cases, path, judged_by, partial(load, path, runtime))]
    if precision == "float16" and folder.promised.parameters <= registry.TINY_PARAMETERS:
        wide = gates.find(spec.name, "float32", WIDE, "stored weights")
        begun.append(calls.begin(run_cases, path, [(wide, truth)], partial(load, path, WIDE)))

    def results() -> tuple[ComponentResult, ...]:
        first, *others = (result for judged in begun for result in judged())
        if first.problem is None:
            check = partial(folder.check, checkpoint, references.weights)
            first = with_stored(first, check, progress)
        return (first, *others)

    return results


compare_folder = at_once(begin_folder)
