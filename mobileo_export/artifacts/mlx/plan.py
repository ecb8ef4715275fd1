"""What an MLX folder of the language model will hold: names, dtypes, shapes and bits, no values.

Names follow Apple's FastVLM app: ``language_model.`` before a Qwen2 checkpoint's own names, and
the image projector as ``multi_modal_projector.linear_0`` and ``linear_2``. Every matrix (linear
layer or embedding table) is quantized, the rest is float16, as ``mlx_lm.convert`` does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlx.packed import GROUP_SIZES, QUANTIZED_BITS
from mobileo_export.checkpoint.model_config import PROJECTOR
from mobileo_export.checkpoint.safetensors_file import Shape, tensor_bytes
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint.model_config import ModelConfig

FLOAT16_BITS = 16
BITS = (*QUANTIZED_BITS, FLOAT16_BITS)
NO_EXCEPTIONS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class PlannedTensor:
    """One tensor of the checkpoint and what becomes of it: ``bits`` 16 means ``dtype``."""

    source: str
    target: str
    shape: Shape
    bits: int
    group_size: int
    dtype: str = "F16"

    @property
    def module(self) -> str:
        """Path of the MLX module that owns the tensor."""
        return self.target.rpartition(".")[0]

    @property
    def is_matrix(self) -> bool:
        """Whether MLX could quantize it: the weight of a linear layer or an embedding."""
        return len(self.shape) == 2

    @property
    def stored(self) -> dict[str, tuple[str, Shape]]:
        """Name, dtype and shape of each tensor in the file."""
        if self.bits == FLOAT16_BITS:
            return {self.target: (self.dtype, self.shape)}
        rows, columns = self.shape
        groups = (rows, columns // self.group_size)
        return {
            self.target: ("U32", (rows, columns * self.bits // 32)),
            f"{self.module}.scales": ("F16", groups),
            f"{self.module}.biases": ("F16", groups),
        }


@dataclass(frozen=True)
class StoredTensors:
    """The tensors of a ``model.safetensors`` before it exists, and what they add up to."""

    tensors: tuple[PlannedTensor, ...]

    @cached_property
    def layout(self) -> dict[str, tuple[str, Shape]]:
        """Name, dtype and shape of every tensor in the file."""
        return {name: entry for tensor in self.tensors for name, entry in tensor.stored.items()}

    @property
    def parameters(self) -> int:
        """Numbers in the tensors, before quantization."""
        return sum(prod(tensor.shape) for tensor in self.tensors)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors in the file, its header not counted."""
        return sum(tensor_bytes(dtype, shape) for dtype, shape in self.layout.values())

    @property
    def bits_per_weight(self) -> float:
        """Stored bits a parameter, scales and biases included."""
        return 8 * self.nbytes / self.parameters


@dataclass(frozen=True)
class MLXPlan(StoredTensors):
    """What the language model's folder will hold."""

    bits: int
    group_size: int
    unquantized: tuple[str, ...]  # modules whose input is not a multiple of the group size

    @property
    def quantization(self) -> dict[str, Any] | None:
        """The ``quantization`` entry of ``config.json``; None when every tensor is float16.

        Modules that differ from ``bits`` follow by path, ``False`` for float16: the form of mlx-lm
        and mlx-swift. No ``mode``: Swift readers take an unknown key for a module's entry.
        """
        matrices = [tensor for tensor in self.tensors if tensor.is_matrix]
        quantized = [tensor.bits for tensor in matrices if tensor.bits != FLOAT16_BITS]
        if not quantized:
            return None
        bits = self.bits if self.bits != FLOAT16_BITS else max(quantized)
        entry: dict[str, Any] = {"group_size": self.group_size, "bits": bits}
        for tensor in matrices:
            if tensor.bits == FLOAT16_BITS:
                entry[tensor.module] = False
            elif tensor.bits != bits:
                entry[tensor.module] = {"group_size": self.group_size, "bits": tensor.bits}
        return entry


def plan(
    model: ModelConfig,
    bits: int = 8,
    group_size: int = 64,
    exceptions: Mapping[str, int] = NO_EXCEPTIONS,
) -> MLXPlan:
    """Decide how every tensor is stored.

    Args:
        model: the dimensions of the checkpoint.
        bits: 4 or 8 for affine quantization, 16 for plain float16.
        group_size: neighbours of a row that share a scale: 32, 64 or 128.
        exceptions: bits of single modules. A key is a module's path in the checkpoint
            (``lm_head``) or in the MLX folder, or a pattern in which ``*`` stands for any text
            (``model.layers.*.self_attn.*``). The first key that fits a module decides.

    Raises:
        UsageError: bits or a group size that MLX does not have, or a key that fits no module.
    """
    _require(bits, BITS, "bits")
    _require(group_size, GROUP_SIZES, "group size")
    for pattern, exception in exceptions.items():
        _require(exception, BITS, f"bits of {pattern!r}")
    tensors, unquantized, unused = [], [], dict(exceptions)
    for source, shape in COMPONENTS["llm"].tensors(model).items():
        target, chosen = target_name(source), FLOAT16_BITS
        if len(shape) == 2:
            chosen = bits
            paths = source.rpartition(".")[0], target.rpartition(".")[0]
            fitting = [key for key in exceptions if any(fnmatchcase(p, key) for p in paths)]
            if fitting:
                chosen = exceptions[fitting[0]]
            for key in fitting:
                unused.pop(key, None)
            if chosen != FLOAT16_BITS and shape[1] % group_size:
                chosen = FLOAT16_BITS
                unquantized.append(paths[1])
        tensors.append(PlannedTensor(source, target, shape, chosen, group_size))
    if unused:
        raise UsageError(
            f"bits exception {next(iter(unused))!r} fits no linear layer or embedding; "
            "name one such as lm_head or model.layers.*.self_attn.*"
        )
    return MLXPlan(tuple(tensors), bits, group_size, tuple(unquantized))


def target_name(source: str) -> str:
    """Name in the MLX folder of the checkpoint's tensor ``source``."""
    if source.startswith(PROJECTOR):
        return "multi_modal_projector.linear_" + source.removeprefix(PROJECTOR)
    return "language_model." + source


def _require(value: int, allowed: tuple[int, ...], what: str) -> None:
    if value not in allowed:
        raise UsageError(f"{what} is {value}; MLX has {', '.join(map(str, allowed))}")
