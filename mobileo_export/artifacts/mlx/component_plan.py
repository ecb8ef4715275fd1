"""What the folder of a component will hold: names, dtypes, shapes and bits, no values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlx.plan import FLOAT16_BITS, PlannedTensor
from mobileo_export.checkpoint.safetensors_file import tensor_bytes

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlx.models import FolderModel
    from mobileo_export.artifacts.mlx.tensors import ComponentTensor
    from mobileo_export.checkpoint.safetensors_file import Shape
    from mobileo_export.components import Precision

# Bits and group size of the matrix of a name and shape; None to leave it as it is computed with.
Bits = Callable[[str, "Shape"], tuple[int, int] | None]
WEIGHT = ".weight"


@dataclass(frozen=True)
class FolderPlan:
    """The content of a component's ``model.safetensors`` before it exists.

    Attributes:
        model: which component it is.
        config: its dimensions.
        precision: what is computed in, and what is not quantized is stored in.
        parts: each tensor with how it is stored.
        unquantized: matrices whose rows are no multiple of the group size, and stay as they are.
    """

    model: FolderModel
    config: Any
    precision: Precision
    parts: tuple[tuple[ComponentTensor, PlannedTensor], ...]
    unquantized: tuple[str, ...] = ()

    @property
    def tensors(self) -> tuple[PlannedTensor, ...]:
        """How each tensor is stored."""
        return tuple(planned for _, planned in self.parts)

    @cached_property
    def layout(self) -> dict[str, tuple[str, Shape]]:
        """Name, dtype and shape of every tensor in the file."""
        return {name: entry for tensor in self.tensors for name, entry in tensor.stored.items()}

    @property
    def elements(self) -> int:
        """Numbers in the folder's tensors, before quantization."""
        return sum(prod(tensor.shape) for tensor in self.tensors)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors in the file, its header not counted."""
        return sum(tensor_bytes(dtype, shape) for dtype, shape in self.layout.values())

    @property
    def bits_per_weight(self) -> float:
        """Stored bits a number, scales and biases included."""
        return 8 * self.nbytes / self.elements

    @property
    def fewest_bits(self) -> int | None:
        """Of any matrix; None where none is quantized."""
        return min((t.bits for t in self.tensors if t.bits != FLOAT16_BITS), default=None)

    @property
    def quantization(self) -> dict[str, Any] | None:
        """The ``quantization`` of ``config.json``; None where no matrix is quantized.

        The bits that most matrices have, then by path those that differ, ``False`` for none: the
        form of mlx-lm and mlx-swift, as the language model's.
        """
        matrices = [planned for tensor, planned in self.parts if tensor.matrix]
        widths = Counter((t.bits, t.group_size) for t in matrices if t.bits != FLOAT16_BITS)
        if not widths:
            return None
        common = max(widths, key=lambda width: (widths[width], width))
        entry: dict[str, Any] = {"group_size": common[1], "bits": common[0]}
        for tensor in matrices:
            if tensor.bits == FLOAT16_BITS:
                entry[tensor.module] = False
            elif (tensor.bits, tensor.group_size) != common:
                entry[tensor.module] = {"group_size": tensor.group_size, "bits": tensor.bits}
        return entry

    @property
    def content(self) -> dict[str, Any]:
        """``config.json``."""
        stated = {"model_type": self.model.model_type, "torch_dtype": self.precision}
        quantization = self.quantization
        return {
            **stated,
            **asdict(self.config),
            **({} if quantization is None else {"quantization": quantization}),
        }


def plan(model: FolderModel, config: Any, precision: Precision, bits: Bits) -> FolderPlan:
    """Decide how every tensor of a component is stored.

    Args:
        model: which component it is.
        config: its dimensions.
        precision: what it is computed in.
        bits: of each matrix, by its module's path in the checkpoint.
    """
    parts, unquantized = [], []
    for tensor in model.tensors(config):
        dtype = "F32" if tensor.wide or precision == "float32" else "F16"
        width, module = None, tensor.target.removesuffix(WEIGHT)
        if tensor.matrix:
            width = bits(module, tensor.shape)
        if width is not None and tensor.shape[1] % width[1]:
            unquantized.append(module)
            width = None
        chosen = width or (FLOAT16_BITS, 0)
        parts.append(
            (tensor, PlannedTensor(tensor.target, tensor.target, tensor.shape, *chosen, dtype))
        )
    return FolderPlan(model, config, precision, tuple(parts), tuple(unquantized))
