"""The language model as its bundle should hold it: made anew from the checkpoint, in torch.

Each tensor goes through the rounding that the export announces, and back; the artifact itself is
not read for that. Reading it beside this finds any stored number that is another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlx.packed import dequantize, quantize
from mobileo_export.artifacts.mlx.plan import FLOAT16_BITS, MLXPlan, plan
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlx.folder import MLXFolder
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.parity.gates import Precision
    from mobileo_export.runtimes.torch_reference import TorchLanguageModelSession

_ROWS = 1 << 19  # elements quantized at a time


def announced(checkpoint: Checkpoint, artifact: Mapping[str, Any]) -> MLXPlan:
    """How the manifest's ``artifact`` says that the tensors are stored."""
    options = artifact["options"]
    return plan(
        checkpoint.model, options["bits"], options["group_size"], options.get("exceptions", {})
    )


def precision(planned: MLXPlan) -> Precision:
    """The fewest bits of any matrix: what decides how far the model is from its checkpoint."""
    bits = min(tensor.bits for tensor in planned.tensors)
    names: dict[int, Precision] = {
        4: "4-bit",
        5: "5-bit",
        6: "6-bit",
        8: "8-bit",
        FLOAT16_BITS: "float16",
    }
    return names[bits]


def rounded(values: NDArray[np.float32], bits: int, group_size: int) -> NDArray[np.float32]:
    """``values`` as they come back from storage, computed a few rows at a time."""
    if bits == FLOAT16_BITS:
        return values.astype(np.float16).astype(np.float32)
    result = np.empty_like(values)
    step = max(1, _ROWS // values.shape[1])
    for start in range(0, len(values), step):
        part = values[start : start + step].astype(np.float16).astype(np.float32)
        result[start : start + step] = dequantize(
            quantize(part, bits, group_size), bits, group_size
        )
    return result


@dataclass
class Requantized:
    """The rounded tensors, as :func:`reference.loading.load` reads a checkpoint.

    ``problems`` gathers, as tensors are read, what ``folder`` holds in another way.
    """

    checkpoint: Checkpoint
    planned: MLXPlan
    folder: MLXFolder | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """Of the checkpoint."""
        return self.checkpoint.path

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        """The tensor that the checkpoint calls ``name``, rounded."""
        (tensor,) = (tensor for tensor in self.planned.tensors if tensor.source == name)
        values = rounded(self.checkpoint.read(name, weights), tensor.bits, tensor.group_size)
        if self.folder is not None:
            try:
                stored = self.folder.read(name)
            except BundleError as error:
                self.problems.append(str(error))
            else:
                self._compare(tensor.target, values, stored)
        return values

    def _compare(self, target: str, values: NDArray[Any], stored: NDArray[Any]) -> None:
        if values.shape != stored.shape or np.array_equal(values, stored):
            return
        different = values != stored
        first = int(np.argmax(different.reshape(len(different), -1).any(-1)))
        self.problems.append(
            f"tensor {target} is not what the checkpoint's becomes: {int(different.sum())} of "
            f"{different.size} values differ, first in row {first}"
        )


def session(values: Requantized, weights: Weights) -> TorchLanguageModelSession:
    """The torch language model with the rounded tensors."""
    from mobileo_export.components import COMPONENTS
    from mobileo_export.reference import llm, loading
    from mobileo_export.runtimes.torch_reference import TorchLanguageModelSession

    model = values.checkpoint.model
    module = loading.load(
        lambda: llm.construct(
            model.llm,
            model.vision.feature_dim,
            model.mcp.num_layers,
            lambda: tokenizer_files.special_ids(values.checkpoint.path).image_token_id,
        ),
        llm.state_names(model.llm),
        values,
        weights,
    )
    spec = COMPONENTS["llm"]
    return TorchLanguageModelSession(module, spec.inputs(model), spec.outputs(model))


def config_problems(folder: MLXFolder, checkpoint: Checkpoint, planned: MLXPlan) -> list[str]:
    """What the folder's configuration says differently from the checkpoint and the manifest."""
    found, expected = asdict(folder.llm), asdict(checkpoint.model.llm)
    found["image_token_index"] = folder.image_token_id
    tokens = tokenizer_files.special_ids(checkpoint.path)
    expected["image_token_index"] = tokens.image_token_id
    problems = [
        f"config.json says {key} {found[key]}, the checkpoint {value}"
        for key, value in expected.items()
        if found[key] != value
    ]
    promised = {tensor.source: tensor for tensor in planned.tensors}
    for tensor in folder.tensors:
        other = promised.get(tensor.source)
        if other is not None and other.stored != tensor.stored:
            problems.append(
                f"config.json stores {tensor.module} in {tensor.bits} bits, the manifest says "
                f"{other.bits} with groups of {other.group_size}"
            )
            break
    return problems
