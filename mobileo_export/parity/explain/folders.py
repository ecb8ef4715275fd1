"""An MLX folder: each stored number beside what the checkpoint's become, and both run.

The folder holds tensors and no graph, so that both sides compute in torch, in the modules of the
reference; what MLX itself computes is held against those numbers by ``verify``. The table shows
what storing costs layer by layer, and what a damaged tensor does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlx.component_folder import (
    ComponentFolder,
    differences,
    open_component,
)
from mobileo_export.artifacts.mlx.folder import CONFIG, MLXFolder, open_folder
from mobileo_export.artifacts.mlx.packed import Quantized, dequantize, quantize
from mobileo_export.artifacts.mlx.plan import FLOAT16_BITS
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.errors import BundleError
from mobileo_export.parity.cases import case_names
from mobileo_export.parity.explain import modules, tensors
from mobileo_export.parity.explain.advice import divergence
from mobileo_export.parity.explain.checks import unsealed
from mobileo_export.parity.explain.results import (
    CaseCheck,
    Culprit,
    Deviation,
    Explanation,
    Kind,
    LikelyCause,
)
from mobileo_export.parity.language_model.requantized import announced, config_problems
from mobileo_export.parity.naming import called
from mobileo_export.parity.stored_values import folders
from mobileo_export.progress import OnProgress, Progress
from mobileo_export.reference.names import checkpoint_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlx.plan import PlannedTensor
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.cases import Case
    from mobileo_export.parity.explain.results import WalkStep
    from mobileo_export.parity.references import References

_DEFAULT_CASE = {"llm": "prompt"}  # of the others the first
_SHOWN = (
    "Conv1d", "Conv2d", "Embedding", "LayerNorm", "Linear", "Qwen2DecoderLayer", "Qwen2RMSNorm",
    "RMSNorm", "SanaTransformerBlock",
)  # fmt: skip
# Of the largest value: more than an 8-bit step, less than any damage.
_QUANTIZATION = 1e-2


@dataclass(frozen=True)
class _FolderTensor:
    """A tensor of the folder as it should be: how it is stored, and of what."""

    stored: PlannedTensor
    sources: tuple[str, ...]  # in the checkpoint
    values: Callable[[], NDArray[np.float32]]  # before they are rounded

    @property
    def how(self) -> str:
        """Its type, or its bits."""
        if self.stored.bits == FLOAT16_BITS:
            return {"F16": "float16", "F32": "float32"}[self.stored.dtype]
        return f"{self.stored.bits}-bit, groups of {self.stored.group_size}"


@dataclass(frozen=True)
class FolderSearch:
    """An MLX folder, the language model's or another component's, beside its reference."""

    bundle: Path
    content: dict[str, Any]
    spec: ComponentSpec
    references: References
    progress: OnProgress

    def run(self, case: str | None) -> Explanation:
        """:func:`explain.explain`."""
        name, checkpoint = self.spec.name, self.references.checkpoint
        changed = unsealed(self.bundle, self.content, self._artifact["path"])
        wanted = case or _DEFAULT_CASE.get(name) or case_names(name)[0]
        (chosen,) = self.references.cases(name, (wanted,))
        steps: tuple[WalkStep, ...] = ()
        folder = cause = problem = culprit = None
        try:
            folder = open_folder(self._path) if name == "llm" else open_component(self._path)
            steps, told = self._walk(chosen)
        except BundleError as error:
            told = problem = str(error)
        if folder is not None:  # a value that cannot be computed with is looked for all the same
            cause = self._setting(folder)
            if cause is None:
                cause, culprit = self._find(folder, steps)
        if cause is None and problem is not None:
            cause = LikelyCause(Deviation("cannot run", problem), Culprit("", "", (), "", "", ""))
        finding = None if cause is None else divergence(cause, told, bool(changed))
        return Explanation(
            str(self.bundle),
            called(checkpoint.path),
            name,
            self._artifact["path"],
            (CaseCheck(chosen.name, finding is None, told),),
            steps,
            culprit,
            finding,
            changed,
        )

    @property
    def _artifact(self) -> dict[str, Any]:
        found: dict[str, Any] = self.content["components"][self.spec.name]["artifacts"][0]
        return found

    @property
    def _path(self) -> Path:
        return self.bundle / str(self._artifact["path"])

    @property
    def _promised(self) -> folders.StoredFolder:
        model = self.references.checkpoint.model
        return folders.of_bundle(self.bundle, self._artifact, self.spec, model)

    @cached_property
    def _parts(self) -> list[_FolderTensor]:
        """What the manifest promises of every tensor."""
        checkpoint, weights = self.references.checkpoint, self.references.weights
        if self.spec.name == "llm":
            return [
                _FolderTensor(each, (each.source,), partial(checkpoint.read, each.source, weights))
                for each in announced(checkpoint, self._artifact).tensors
            ]
        (prefix,), promised = self.spec.prefixes, self._promised
        return [
            _FolderTensor(
                stored,
                tuple(prefix + name for name in tensor.sources),
                partial(promised.values, tensor, checkpoint, weights),
            )
            for tensor, stored in promised.promised.parts
        ]

    @cached_property
    def _targets(self) -> dict[str, _FolderTensor]:
        """Of each tensor of the reference's state, the tensor of the folder that it is part of."""
        checkpoint = self.references.checkpoint
        made = {source: part for part in reversed(self._parts) for source in part.sources}
        names = checkpoint_names(self.spec.name, checkpoint)
        if self.spec.name == "llm" and checkpoint.model.llm.tie_word_embeddings:
            names["language_model.lm_head.weight"] = "model.embed_tokens.weight"
        return {name: made[source] for name, source in names.items() if source in made}

    def _setting(self, folder: MLXFolder | ComponentFolder) -> LikelyCause | None:
        """What ``config.json`` says otherwise than the checkpoint, or than the manifest."""
        if isinstance(folder, MLXFolder):
            checkpoint = self.references.checkpoint
            planned = announced(checkpoint, self._artifact)
            problems = config_problems(folder, checkpoint, planned)
        else:
            problems = differences(folder, self._promised.promised)
        if not problems:
            return None
        kind: Kind = "epsilon" if "_eps " in problems[0] else "other geometry"
        place = Culprit("", "", (), CONFIG, "configuration", "")
        return LikelyCause(Deviation(kind, problems[0]), place)

    def _walk(self, case: Case) -> tuple[tuple[WalkStep, ...], str]:
        """The error after every module, and of the outputs in words."""
        from mobileo_export.runtimes.mlx.dequantized import MLXDequantizedRuntime
        from mobileo_export.runtimes.torch_reference import TorchRuntime

        def describe(module: str) -> tuple[str, str]:
            part = self._targets.get(f"{module}.weight")
            return (module, "layer") if part is None else (part.stored.module, part.how)

        name, references = self.spec.name, self.references
        load = TorchRuntime().load_component
        with (
            closing(MLXDequantizedRuntime().load(self._path)) as ours,
            closing(load(references.checkpoint, name, references.weights)) as reference,
        ):
            return modules.walk(ours, reference, case, _SHOWN, describe, self.progress, name)

    def _find(
        self, folder: MLXFolder | ComponentFolder, steps: Sequence[WalkStep]
    ) -> tuple[LikelyCause | None, int | None]:
        """The first tensor, as modules compute, that is not what the checkpoint's becomes."""
        parts = self._parts
        places = {step.op: index for index, step in reversed(list(enumerate(steps)))}
        ordered = sorted(parts, key=lambda part: places.get(part.stored.module, len(steps)))
        for done, part in enumerate(ordered):
            self.progress(Progress(self.spec.name, "comparing every weight", done, len(parts)))
            expected = part.values()
            if folders.difference(folder, part.stored, expected) is None:
                continue
            deviation = _deviation(folder, part, expected, _others(part, parts))
            if deviation is None:
                continue
            index, target = places.get(part.stored.module), part.stored.target
            names = (n.rpartition(".")[0] for n, other in self._targets.items() if other is part)
            module = next(names, part.stored.module) if index is None else steps[index].module
            kind = "" if index is None else steps[index].module_type
            place = Culprit(module, kind, part.sources, target, part.how, target, target)
            return LikelyCause(deviation, place), index
        return None, None


def _others(part: _FolderTensor, parts: Sequence[_FolderTensor]) -> dict[str, NDArray[Any]]:
    """Tensors of the same shape in the same block: what it may have been taken for."""
    parent = part.stored.module.rpartition(".")[0]
    return {
        other.stored.source: other.values()
        for other in parts
        if other is not part
        and other.stored.target.startswith(parent)
        and other.stored.shape == part.stored.shape
    }


def _deviation(
    folder: MLXFolder | ComponentFolder,
    part: _FolderTensor,
    expected: NDArray[np.float32],
    others: Mapping[str, NDArray[Any]],
) -> Deviation | None:
    """What is wrong with a tensor that is not as it should be."""
    stored = [safetensors_file.raw(folder.stored[name]) for name in part.stored.stored]
    if part.stored.bits == FLOAT16_BITS:
        return tensors.difference(stored[0], expected, others)
    bits, group = part.stored.bits, part.stored.group_size

    def packed(tensor: NDArray[Any]) -> Quantized:
        return quantize(tensor.astype(np.float16).astype(np.float32), bits, group)

    matrix, wanted = Quantized(*stored), packed(expected)
    wrong = [
        name for name in matrix._fields if (getattr(matrix, name) != getattr(wanted, name)).any()
    ]
    if len(wrong) == 1 and wrong != ["weight"]:
        answer = tensors.difference(getattr(matrix, wrong[0]), getattr(wanted, wrong[0]))
        if answer is not None:
            return Deviation(answer.kind, f"of its {wrong[0]}: {answer.detail}")
    values = dequantize(matrix, bits, group)
    quantized = {name: dequantize(packed(other), bits, group) for name, other in others.items()}
    answer = tensors.difference(values, dequantize(wanted, bits, group), quantized)
    if answer is None or answer.kind == "other values":
        if tensors.same(values, expected, min(0.2, _QUANTIZATION * 2.0 ** (8 - bits))):
            return Deviation("requantized", "near the checkpoint's values, on another grid")
        if expected.shape[0] == expected.shape[1] and tensors.same(
            values, expected.T, _QUANTIZATION
        ):
            return Deviation("transposed", "axes 0 and 1 are exchanged")
    return answer
