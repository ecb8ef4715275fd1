"""The tensors of an MLX folder, each compared with what quantizing the checkpoint's gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlx.packed import (
    QUANTIZED_BITS,
    Quantized,
    dequantize,
    quantize,
)
from mobileo_export.artifacts.mlx.plan import target_name
from mobileo_export.errors import BundleError, CheckpointError
from mobileo_export.parity.explain import tensors
from mobileo_export.parity.explain.tensors import Deviation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.safetensors_file import TensorInfo

# Of the largest value: more than an 8-bit step, less than any damage.
_QUANTIZATION = 1e-2
_ROWS = 4096  # that are quantized at a time, so that memory stays small


@dataclass(frozen=True)
class FolderTensor:
    """One tensor of the folder: how it is stored, what it stands for, what is wrong with it."""

    name: str  # in the checkpoint
    how: str
    values: NDArray[Any]
    difference: Deviation | None


def read(
    file: Path, source: str, expected: NDArray[Any], others: dict[str, NDArray[Any]]
) -> FolderTensor:
    """Tensor ``source`` of the checkpoint as a folder's weight file holds it.

    Raises:
        BundleError: it is missing or of another shape.
    """
    from mobileo_export.checkpoint import safetensors_file

    try:
        header = safetensors_file.read_header(file)
    except CheckpointError as error:
        raise BundleError(str(error)) from error
    target = target_name(source)
    module = target.rpartition(".")[0]
    if target not in header:
        raise BundleError(f"{file}: tensor {target} is missing; export the llm again")
    raw = safetensors_file.raw(header[target])
    if header[target].dtype == "F16":
        if raw.shape != expected.shape:
            raise BundleError(
                f"{file}: tensor {target} has shape {list(raw.shape)}, "
                f"the checkpoint's {list(expected.shape)}; export the llm again"
            )
        return FolderTensor(
            source,
            "float16",
            raw.astype(np.float32),
            tensors.difference(raw, expected, others),
        )
    matrix = _matrix(header, module, raw, expected)
    if matrix is None:
        raise BundleError(f"{file}: tensor {target} is not quantized as MLX does; export again")
    columns = expected.shape[1]
    bits, group = raw.shape[1] * 32 // columns, columns // matrix.scales.shape[1]
    values = dequantize(matrix, bits, group)
    return FolderTensor(
        source,
        f"{bits}-bit, groups of {group}",
        values,
        quantized_difference(matrix, values, expected, others, bits, group),
    )


def _matrix(
    header: dict[str, TensorInfo], module: str, weight: NDArray[Any], expected: NDArray[Any]
) -> Quantized | None:
    """The three tensors of a quantized matrix; None unless their shapes go together."""
    from mobileo_export.checkpoint import safetensors_file

    parts = [header.get(f"{module}.{part}") for part in ("scales", "biases")]
    found = [safetensors_file.raw(part) for part in parts if part is not None]
    if len(found) != 2 or expected.ndim != 2 or weight.ndim != 2:
        return None
    (rows, columns), (scales, biases) = expected.shape, found
    groups = scales.shape[-1]
    widths = [bits * columns for bits in QUANTIZED_BITS]
    fits = weight.shape[1] * 32 in widths and weight.shape[0] == rows
    if not fits or scales.shape != biases.shape or scales.shape != (rows, groups):
        return None
    return Quantized(weight, scales, biases) if groups and not columns % groups else None


def _arrays(matrix: Quantized) -> tuple[NDArray[Any], ...]:
    return tuple(matrix)


def quantized_difference(
    matrix: Quantized,
    values: NDArray[Any],
    expected: NDArray[Any],
    others: dict[str, NDArray[Any]],
    bits: int,
    group: int,
) -> Deviation | None:
    """What is wrong with a packed matrix, ``others`` being those that it may be taken for."""

    def stored_as(tensor: NDArray[Any]) -> Quantized:
        return quantize(tensor.astype(np.float16).astype(np.float32), bits, group)

    if all(
        np.array_equal(a[start : start + _ROWS], b)
        for start in range(0, len(expected), _ROWS)
        for a, b in zip(
            _arrays(matrix), _arrays(stored_as(expected[start : start + _ROWS])), strict=True
        )
    ):
        return None
    wanted = stored_as(expected)
    pairs = list(zip(_arrays(matrix), _arrays(wanted), strict=True))
    wrong = [index for index, (a, b) in enumerate(pairs) if not np.array_equal(a, b)]
    if len(wrong) == 1 and wrong[0] > 0:
        found, right = pairs[wrong[0]]
        answer = tensors.difference(found, right)
        if answer is not None:
            part = ("weight", "scales", "biases")[wrong[0]]
            return Deviation(answer.kind, f"of its {part}: {answer.detail}")
    truth = dequantize(wanted, bits, group)
    quantized = {name: dequantize(stored_as(other), bits, group) for name, other in others.items()}
    answer = tensors.difference(values, truth, quantized)
    if answer is None or answer.kind == "other values":
        if tensors.same(values, expected, min(0.2, _QUANTIZATION * 2.0 ** (8 - bits))):
            return Deviation("requantized", "near the checkpoint's values, on another grid")
        if expected.shape[0] == expected.shape[1] and tensors.same(
            values, expected.T, _QUANTIZATION
        ):
            return Deviation("transposed", "axes 0 and 1 are exchanged")
    return answer
