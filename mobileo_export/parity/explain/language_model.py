"""The language model: its folder holds tensors and no graph, so both are compared in torch.

Each stored tensor must be, to the bit, what quantizing the checkpoint's gives. Beside that the
stored values, dequantized, run in the reference's own modules, to show what quantization costs
layer by layer, and what a damaged tensor does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlx.plan import target_name
from mobileo_export.checkpoint.files import SINGLE
from mobileo_export.converters.mlx.config import CONFIG
from mobileo_export.errors import BundleError
from mobileo_export.parity.explain import modules
from mobileo_export.parity.explain.advice import fix
from mobileo_export.parity.explain.checks import unsealed
from mobileo_export.parity.explain.results import (
    CaseCheck,
    Culprit,
    Divergence,
    Explanation,
    Kind,
    WalkStep,
)
from mobileo_export.parity.explain.stored_tensors import FolderTensor, read
from mobileo_export.parity.naming import called
from mobileo_export.parity.stored_values import parameters
from mobileo_export.progress import OnProgress, Progress
from mobileo_export.reference.names import checkpoint_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.references import References
    from mobileo_export.runtimes.torch_reference import TorchSession

DEFAULT_CASE = "prompt"
_SHOWN = ("Embedding", "Linear", "Qwen2RMSNorm", "Qwen2DecoderLayer")

# Numbers that change what the same tensors compute.
_NUMBERS = (
    "rms_norm_eps", "rope_theta", "num_attention_heads", "num_key_value_heads",
    "num_hidden_layers", "tie_word_embeddings",
)  # fmt: skip


def explain_folder(
    bundle: Path,
    content: dict[str, Any],
    checkpoint: Checkpoint,
    spec: ComponentSpec,
    case: str | None,
    progress: OnProgress,
    references: References,
) -> Explanation:
    """:func:`explain.explain` for the MLX folder.

    Raises:
        BundleError: the folder's weights cannot be read.
    """
    from mobileo_export.runtimes.torch_reference import TorchRuntime

    weights = content["source"]["weights"]
    path = content["components"][spec.name]["artifacts"][0]["path"]
    changed = unsealed(bundle, content, path)
    name = case or DEFAULT_CASE
    (chosen,) = references.cases(spec.name, (name,))
    names = checkpoint_names(spec.name, checkpoint)
    if checkpoint.model.llm.tie_word_embeddings:
        names["language_model.lm_head.weight"] = "model.embed_tokens.weight"
    runtime = TorchRuntime()
    reference = runtime.load_component(checkpoint, spec.name, weights)
    artifact = runtime.load_component(checkpoint, spec.name, weights)
    try:
        stored = _install(artifact, reference, bundle / path / SINGLE, names, progress)
        steps, outputs = modules.walk(
            artifact, reference, chosen, _SHOWN, _describer(stored, names), progress
        )
    finally:
        artifact.close()
        reference.close()
    finding, culprit = _finding(stored, names, steps, outputs, bool(changed))
    finding = _configuration(bundle / path, checkpoint, outputs, bool(changed)) or finding
    check = CaseCheck(name, finding is None, outputs)
    return Explanation(
        str(bundle),
        called(checkpoint.path),
        spec.name,
        path,
        (check,),
        steps,
        culprit,
        finding,
        changed,
    )


def _install(
    artifact: TorchSession,
    reference: TorchSession,
    file: Path,
    names: dict[str, str],
    progress: OnProgress,
) -> dict[str, FolderTensor]:
    """Replace the artifact's tensors by the stored ones; they by name in the checkpoint."""
    import torch

    expected = {n: parameters.values(t) for n, t in reference.module.state_dict().items()}
    state: dict[str, torch.Tensor] = {}
    found: dict[str, FolderTensor] = {}
    for done, (name, source) in enumerate(names.items(), 1):
        if source not in found:
            found[source] = read(file, source, expected[name], _others(expected, name, names))
        state[name] = torch.from_numpy(found[source].values)
        progress(Progress("llm", "comparing every weight", done, len(names)))
    artifact.module.load_state_dict(state, strict=False, assign=True)
    artifact.module.requires_grad_(False)
    return found


def _others(
    expected: dict[str, NDArray[Any]], name: str, names: dict[str, str]
) -> dict[str, NDArray[Any]]:
    """Tensors of the same shape in the same block, by name in the checkpoint."""
    parent = name.rpartition(".")[0].rpartition(".")[0]
    return {
        names[other]: values
        for other, values in expected.items()
        if other in names
        and other != name
        and other.startswith(parent)
        and values.shape == expected[name].shape
    }


def _describer(stored: dict[str, FolderTensor], names: dict[str, str]) -> modules.Describe:
    def describe(path: str) -> tuple[str, str]:
        source = names.get(f"{path}.weight", "")
        if not source:
            return path, "layer"
        return target_name(source).rpartition(".")[0], stored[source].how

    return describe


def _finding(
    stored: dict[str, FolderTensor],
    names: dict[str, str],
    steps: tuple[WalkStep, ...],
    symptom: str,
    unsealed: bool,
) -> tuple[Divergence | None, int | None]:
    """The first module to compute with a tensor that is not as it should be."""
    for index, name, item in _in_order(stored, names, steps):
        if item.difference is None:
            continue
        module = name.rpartition(".")[0]
        kind = type_of(module, steps)
        target = target_name(item.name)
        place = Culprit(module, kind, (item.name,), target, item.how, target, target)
        cause = f"{item.difference.kind}: {target}: {item.difference.detail}"
        advice = fix(item.difference.kind, unsealed)
        return Divergence(item.difference.kind, symptom, place, cause, advice), index
    return None, None


def _configuration(
    folder: Path, checkpoint: Checkpoint, symptom: str, unsealed: bool
) -> Divergence | None:
    """A number of ``config.json`` that is not the checkpoint's."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / CONFIG}: cannot be read as JSON; export again") from error
    for name in _NUMBERS:
        found, right = config.get(name), getattr(checkpoint.model.llm, name)
        if found != right:
            kind: Kind = "epsilon" if name == "rms_norm_eps" else "other geometry"
            place = Culprit("language_model", "Qwen2ForCausalLM", (), CONFIG, "configuration", name)
            cause = f"{kind}: {CONFIG} has {name} {found!r}, the checkpoint {right!r}"
            return Divergence(kind, symptom, place, cause, fix(kind, unsealed))
    return None


def _in_order(
    stored: dict[str, FolderTensor], names: dict[str, str], steps: tuple[WalkStep, ...]
) -> Iterator[tuple[int | None, str, FolderTensor]]:
    """Tensors as the modules that own them run; those that did not run come last."""
    places = {step.module: index for index, step in enumerate(steps)}

    def order(name: str) -> int:
        return places.get(name.rpartition(".")[0], len(steps))

    for name in sorted(names, key=order):
        index = order(name)
        yield (index if index < len(steps) else None), name, stored[names[name]]


def type_of(module: str, steps: tuple[WalkStep, ...]) -> str:
    """The class of a module that has a step; "" if it has none."""
    return next((step.module_type for step in steps if step.module == module), "")
