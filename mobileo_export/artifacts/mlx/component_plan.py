"""What the folder of a component will hold: names, dtypes, shapes and bits, no values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlx.plan import FLOAT16_BITS, PlannedTensor, StoredTensors

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlx.models import FolderModel
    from mobileo_export.artifacts.mlx.tensors import ComponentTensor
    from mobileo_export.checkpoint.safetensors_file import Shape
    from mobileo_export.components import Precision

# Bits and group size of the matrix of a name and shape; None to leave it as it is computed with.
Bits = Callable[[str, "Shape"], tuple[int, int] | None]
WEIGHT = ".weight"


@dataclass(frozen=True)
class FolderPlan(StoredTensors):
    """What a component's folder will hold.

    Attributes:
        model: which component it is.
        config: its dimensions.
        precision: what is computed in, and what is not quantized is stored in.
        made: what each of the tensors is made of, in their order.
        unquantized: matrices whose rows are no multiple of the group size, and stay as they are.
    """

    model: FolderModel
    config: Any
    precision: Precision
    made: tuple[ComponentTensor, ...]
    unquantized: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[tuple[ComponentTensor, PlannedTensor], ...]:
        """Each tensor with how it is stored."""
        return tuple(zip(self.made, self.tensors, strict=True))

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
    made, stored, unquantized = tuple(model.tensors(config)), [], []
    dtype = "F32" if precision == "float32" else "F16"
    for tensor in made:
        width, module = None, tensor.target.removesuffix(WEIGHT)
        if tensor.matrix:
            width = bits(module, tensor.shape)
        if width is not None and tensor.shape[1] % width[1]:
            unquantized.append(module)
            width = None
        chosen = width or (FLOAT16_BITS, 0)
        stored.append(PlannedTensor(tensor.target, tensor.target, tensor.shape, *chosen, dtype))
    return FolderPlan(tuple(stored), model, config, precision, made, tuple(unquantized))
