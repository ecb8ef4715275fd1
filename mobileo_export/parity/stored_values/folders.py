"""The folder of a component as its bundle should hold it: made anew from the checkpoint.

Each tensor goes through the layout, the rounding and the quantization that the manifest announces;
the folder itself is not read for that. Reading it beside this finds any stored number that is
another. The reference with those values is what the folder has to compute.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlx.packed import Quantized, quantize
from mobileo_export.artifacts.mlx.plan import FLOAT16_BITS
from mobileo_export.compression import affine
from mobileo_export.errors import BundleError
from mobileo_export.parity import gates
from mobileo_export.parity.language_model.requantized import rounded
from mobileo_export.parity.references import random_or_trained
from mobileo_export.parity.results import StoredValues
from mobileo_export.parity.stored_values.compressed import preset_of, stated_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlx.component_folder import ComponentFolder
    from mobileo_export.artifacts.mlx.component_plan import FolderPlan
    from mobileo_export.artifacts.mlx.folder import MLXFolder
    from mobileo_export.artifacts.mlx.plan import PlannedTensor
    from mobileo_export.artifacts.mlx.tensors import ComponentTensor
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.components import ComponentSpec
    from mobileo_export.compression.plan import CompressionPlan
    from mobileo_export.parity.gates import Gate
    from mobileo_export.parity.references import ReferenceRun, References
    from mobileo_export.runtimes.torch_reference import TorchSession

_PIECE = 1 << 19  # elements quantized at a time
_PARTS = ("weight", "scales", "biases")


@dataclass(frozen=True)
class StoredFolder:
    """A component's folder, whose manifest says how its tensors are stored.

    Attributes:
        spec: the component.
        path: of the folder.
        target: of the bundle, which may have presets of its own.
        plan: how its matrices are stored.
        promised: what that makes of every tensor.
    """

    spec: ComponentSpec
    path: Path
    target: str
    plan: CompressionPlan
    promised: FolderPlan

    def session(self, checkpoint: Checkpoint, weights: Weights) -> TorchSession:
        """The reference with what should be stored of the checkpoint's values."""
        from importlib import import_module

        from mobileo_export.runtimes.torch_reference import TorchSession

        reference = import_module(f"mobileo_export.reference.{self.spec.name}")
        module = reference.assemble(self.promised.config, _Promised(self, checkpoint), weights)
        model = checkpoint.model
        return TorchSession(module, self.spec.inputs(model), self.spec.outputs(model))

    def runs(self, references: References) -> list[ReferenceRun]:
        """The component's cases, run by :meth:`session`; kept by ``references``."""
        if self.exact:
            return references.runs(self.spec.name)
        key = json.dumps([self.plan.content(), self.promised.precision])
        return references.runs_of(
            self.spec.name, key, lambda: self.session(references.checkpoint, references.weights)
        )

    @property
    def exact(self) -> bool:
        """Whether nothing of the checkpoint's values is lost."""
        return all(dtype == "F32" for dtype, _ in self.promised.layout.values())

    def label(self, model: ModelConfig) -> str:
        """Which measured row judges it: of its preset, of its fewest bits, of its precision."""
        if self.promised.fewest_bits is None:
            return self.promised.precision
        preset = preset_of(self.plan, self.spec, self.target)
        return preset or f"{self.promised.fewest_bits}-bit"

    def gate(self, runtime: str, checkpoint: Checkpoint) -> Gate | None:
        """The bounds on what storing costs; None where none is known, or nothing is lost."""
        values = random_or_trained(checkpoint)
        return gates.measured(self.spec.name, self.label(checkpoint.model), runtime, values)

    def check(
        self,
        checkpoint: Checkpoint,
        weights: Weights,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> StoredValues:
        """Compare each stored number with what the checkpoint's become, to the bit.

        Raises:
            BundleError: the folder cannot be read.
            CheckpointError: the checkpoint's tensors cannot be read.
        """
        from mobileo_export.artifacts.mlx.component_folder import differences, open_component

        folder = open_component(self.path)
        wrong = differences(folder, self.promised)
        if wrong:
            return StoredValues(1, 0, (), 0.0, 1, 0, tuple(wrong))
        parts = self.promised.parts
        for done, (tensor, stored) in enumerate(parts):
            progress(done, len(parts))
            problem = difference(folder, stored, self.values(tensor, checkpoint, weights))
            if problem is not None:
                wrong.append(f"tensor {tensor.target} {problem}")
        progress(len(parts), len(parts))
        equal = len(parts) - len(wrong)
        return StoredValues(len(parts), equal, (), 1.0, 1, 1, tuple(wrong))

    def values(
        self, tensor: ComponentTensor, checkpoint: Checkpoint, weights: Weights
    ) -> NDArray[np.float32]:
        """What the checkpoint's values make of a tensor of the folder, before it is rounded."""
        (prefix,) = self.spec.prefixes
        return np.asarray(
            tensor.make(*(checkpoint.read(prefix + name, weights) for name in tensor.sources)),
            np.float32,
        )


@dataclass(frozen=True)
class _Promised:
    """What should be stored, as :func:`reference.loading.load` reads a checkpoint."""

    folder: StoredFolder
    checkpoint: Checkpoint

    @property
    def path(self) -> Path:
        return self.checkpoint.path

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        (prefix,) = self.folder.spec.prefixes
        source = name.removeprefix(prefix)
        for tensor, stored in self._made_of[source]:
            values = _left(stored, self.folder.values(tensor, self.checkpoint, weights))
            found = tensor.back(values)
            if source in found:
                return np.array(found[source])  # writable, of its own
        raise KeyError(source)

    @cached_property
    def _made_of(self) -> dict[str, list[tuple[ComponentTensor, PlannedTensor]]]:
        found: dict[str, list[tuple[ComponentTensor, PlannedTensor]]] = {}
        for tensor, stored in self.folder.promised.parts:
            for source in tensor.sources:
                found.setdefault(source, []).append((tensor, stored))
        return found


def of_bundle(
    bundle: Path, artifact: Mapping[str, Any], spec: ComponentSpec, model: ModelConfig
) -> StoredFolder:
    """The folder that a manifest's ``artifact`` of ``spec`` is."""
    plan = stated_rules(artifact, spec)
    precision = artifact["compute_precision"]
    promised = affine.planned(model, spec, plan, precision)
    return StoredFolder(spec, bundle / artifact["path"], artifact["target"], plan, promised)


def _left(stored: PlannedTensor, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """``values`` as they come back from storage."""
    if stored.dtype == "F32" and stored.bits == FLOAT16_BITS:
        return values
    return rounded(values, stored.bits, stored.group_size)


def difference(
    folder: ComponentFolder | MLXFolder, stored: PlannedTensor, values: NDArray[np.float32]
) -> str | None:
    """What of a stored tensor is not what the checkpoint's becomes; None where all is equal."""
    try:
        held = {name: np.atleast_1d(folder.raw(name)) for name in stored.stored}
    except BundleError as error:
        return str(error)
    values = np.atleast_1d(values)
    names = _PARTS if stored.bits != FLOAT16_BITS else ("",)
    wrong = dict.fromkeys(names, 0)
    first: dict[str, int] = {}
    for run in _runs(stored):
        for part, name, expected in zip(names, held, _as_stored(stored, values[run]), strict=True):
            differ = expected != held[name][run]
            wrong[part] += int(differ.sum())
            if differ.any() and part not in first:
                first[part] = run.start + int(np.argmax(differ.reshape(len(differ), -1).any(-1)))
    found = [
        f"{f'of its {part}, ' if part else ''}{count:,} numbers differ, first in row {first[part]}"
        for part, count in wrong.items()
        if count
    ]
    return f"is not what the checkpoint's becomes: {'; '.join(found)}" if found else None


def _as_stored(stored: PlannedTensor, values: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
    if stored.bits == FLOAT16_BITS:
        return (values.astype(np.float16) if stored.dtype == "F16" else values,)
    half = values.astype(np.float16).astype(np.float32)
    made: Quantized = quantize(half, stored.bits, stored.group_size)
    return made


def _runs(stored: PlannedTensor) -> list[slice]:
    rows = stored.shape[0] if stored.shape else 1
    step = max(1, _PIECE // prod(stored.shape[1:]))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
