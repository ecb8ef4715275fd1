"""A component's MLX folder: each stored number beside what the checkpoint's become, and both run.

The folder holds tensors and no graph, so that both sides compute in torch, in the modules of the
reference; what MLX itself computes is held against those numbers by ``verify``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlx.component_folder import ComponentFolder, open_component
from mobileo_export.artifacts.mlx.packed import Quantized
from mobileo_export.artifacts.mlx.plan import FLOAT16_BITS
from mobileo_export.parity.cases import case_names
from mobileo_export.parity.explain import modules, tensors
from mobileo_export.parity.explain.advice import fix
from mobileo_export.parity.explain.checks import unsealed
from mobileo_export.parity.explain.results import CaseCheck, Culprit, Divergence, Explanation
from mobileo_export.parity.explain.stored_tensors import quantized_difference
from mobileo_export.parity.naming import called
from mobileo_export.parity.stored_values import folders
from mobileo_export.progress import OnProgress, Progress
from mobileo_export.reference.names import checkpoint_names

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlx.plan import PlannedTensor
    from mobileo_export.artifacts.mlx.tensors import ComponentTensor
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.explain.results import WalkStep
    from mobileo_export.parity.explain.tensors import Deviation
    from mobileo_export.parity.references import References
    from mobileo_export.parity.stored_values.folders import StoredFolder

_SHOWN = ("Linear", "Conv1d", "Conv2d", "LayerNorm", "RMSNorm", "SanaTransformerBlock")


def explain_component(
    bundle: Path,
    content: dict[str, Any],
    checkpoint: Checkpoint,
    spec: ComponentSpec,
    case: str | None,
    progress: OnProgress,
    references: References,
) -> Explanation:
    """:func:`explain.explain` for the MLX folder of a component.

    Raises:
        BundleError: the folder cannot be read, or its files contradict each other.
    """
    from mobileo_export.runtimes.mlx.dequantized import MLXDequantizedRuntime
    from mobileo_export.runtimes.torch_reference import TorchRuntime

    weights = content["source"]["weights"]
    artifact = content["components"][spec.name]["artifacts"][0]
    promised = folders.of_bundle(bundle, artifact, spec, checkpoint.model)
    changed = unsealed(bundle, content, artifact["path"])
    folder = open_component(promised.path)
    (chosen,) = references.cases(spec.name, (case or case_names(spec.name)[0],))
    how = {tensor.module: _how(tensor) for tensor in folder.tensors}
    targets = _targets(spec, checkpoint, promised)

    def describe(path: str) -> tuple[str, str]:
        module = targets.get(f"{path}.weight", "").rpartition(".")[0]
        return (module, how[module]) if module in how else (path, "layer")

    ours = MLXDequantizedRuntime().load(promised.path)
    reference = TorchRuntime().load_component(checkpoint, spec.name, weights)
    try:
        steps, outputs = modules.walk(
            ours, reference, chosen, _SHOWN, describe, progress, spec.name
        )
    finally:
        ours.close()
        reference.close()
    finding, culprit = _finding(
        folder, promised, checkpoint, weights, steps, outputs, bool(changed), progress
    )
    return Explanation(
        str(bundle),
        called(checkpoint.path),
        spec.name,
        artifact["path"],
        (CaseCheck(chosen.name, finding is None, outputs),),
        steps,
        culprit,
        finding,
        changed,
    )


def _targets(spec: ComponentSpec, checkpoint: Checkpoint, promised: StoredFolder) -> dict[str, str]:
    """Of each tensor of the reference's state, the tensor of the folder that it is part of."""
    (prefix,) = spec.prefixes
    made = {
        prefix + source: tensor.target
        for tensor, _ in reversed(promised.promised.parts)
        for source in tensor.sources
    }
    names = checkpoint_names(spec.name, checkpoint)
    return {name: made[source] for name, source in names.items() if source in made}


def _finding(
    folder: ComponentFolder,
    promised: StoredFolder,
    checkpoint: Checkpoint,
    weights: Weights,
    steps: tuple[WalkStep, ...],
    symptom: str,
    changed: bool,
    progress: OnProgress,
) -> tuple[Divergence | None, int | None]:
    """The first tensor, as modules compute, that is not what the checkpoint's becomes."""
    places = {step.op: index for index, step in reversed(list(enumerate(steps)))}
    parts = sorted(promised.promised.parts, key=lambda part: places.get(part[1].module, len(steps)))
    for done, (tensor, stored) in enumerate(parts):
        progress(Progress(folder.component, "comparing every weight", done, len(parts)))
        found = _difference(folder, promised, checkpoint, weights, tensor, stored)
        if found is None:
            continue
        index = places.get(stored.module)
        step = None if index is None else steps[index]
        place = Culprit(
            step.module if step else stored.module,
            step.module_type if step else "",
            tensor.sources,
            stored.target,
            _how(stored),
            stored.target,
            stored.target,
        )
        cause = f"{found.kind}: {stored.target}: {found.detail}"
        return Divergence(found.kind, symptom, place, cause, fix(found.kind, changed)), index
    return None, None


def _difference(
    folder: ComponentFolder,
    promised: StoredFolder,
    checkpoint: Checkpoint,
    weights: Weights,
    tensor: ComponentTensor,
    stored: PlannedTensor,
) -> Deviation | None:
    expected = promised.values(tensor, checkpoint, weights)
    if folders.difference(folder, stored, expected) is None:
        return None
    parent = tensor.target.rpartition(".")[0].rpartition(".")[0]
    others = {
        other.target: promised.values(other, checkpoint, weights)
        for other, _ in promised.promised.parts
        if other.target != tensor.target
        and other.target.startswith(parent)
        and other.shape == tensor.shape
    }
    if stored.bits == FLOAT16_BITS:
        raw = folder.raw(tensor.target)
        return tensors.difference(raw, expected, others)
    values = folder.values(tensor.target)
    matrix = Quantized(*(np.asarray(folder.raw(name)) for name in stored.stored))
    return quantized_difference(matrix, values, expected, others, stored.bits, stored.group_size)


def _how(stored: PlannedTensor) -> str:
    if stored.bits == FLOAT16_BITS:
        return {"F16": "float16", "F32": "float32"}[stored.dtype]
    return f"{stored.bits}-bit, groups of {stored.group_size}"
