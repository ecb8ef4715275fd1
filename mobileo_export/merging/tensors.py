"""Trained tensors, wherever they lie: safetensors, or a pickle that the user has allowed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.safetensors_file import FLOAT_DTYPES, Shape, TensorInfo, widen
from mobileo_export.errors import CheckpointError, MissingDependencyError, UsageError
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# Before this release, loading the weights alone could still run code (CVE-2025-32434).
_SAFE_TORCH = (2, 6)


@dataclass(frozen=True)
class StoredTensor:
    """A stored tensor; ``load`` maps or reads its raw values (bfloat16 as uint16)."""

    name: str
    dtype: str
    shape: Shape
    file: Path
    load: Callable[[], NDArray[Any]] = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def floating(self) -> bool:
        """Whether it holds weights, and not a counter."""
        return self.dtype in FLOAT_DTYPES

    def __str__(self) -> str:
        return f"{self.file}: tensor {self.name}"


def of(info: TensorInfo) -> StoredTensor:
    """A tensor of a safetensors file."""
    return StoredTensor(
        info.name, info.dtype, info.shape, info.file, partial(safetensors_file.raw, info)
    )


def read_file(path: Path, allow_pickle: bool) -> list[StoredTensor]:
    """Every tensor of a safetensors file or of a pickle; reads no values, maps them.

    Raises:
        UsageError: it is a pickle, and pickles are not allowed; the file has not been opened.
        CheckpointError: the file is damaged, or holds more than tensors.
    """
    if path.suffix not in PICKLES:
        return [of(info) for info in safetensors_file.read_header(path).values()]
    if not allow_pickle:
        raise UsageError(
            f"{path}: holds trained weights as a pickle, which could run code; --allow-pickle "
            "reads its tensors alone, or convert it to safetensors where you trust it"
        )
    return _pickled(path)


def float64(tensor: StoredTensor) -> NDArray[np.float64]:
    """A small tensor (a factor of an adapter) as float64, exactly.

    Raises:
        CheckpointError: it holds no floats, or NaN or infinity.
    """
    if not tensor.floating:
        raise CheckpointError(
            f"{tensor} is {tensor.dtype}; save the adapter as bfloat16, float16 or float32"
        )
    with np.errstate(invalid="ignore"):  # NaN, which is refused below
        values = widened(tensor.load(), tensor.dtype).astype(np.float64)
    if not np.isfinite(values).all():
        raise not_finite(tensor)
    return values


def not_finite(tensor: StoredTensor) -> CheckpointError:
    """The error for a tensor that cannot be used because of its values."""
    return CheckpointError(
        f"{tensor} holds NaN or infinity; the file is damaged or its training diverged"
    )


def widened(raw: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Raw bfloat16, float16 or float32 as float32, exactly."""
    values = np.empty(raw.shape, np.float32)
    widen(raw, dtype, values)
    return values


def _pickled(path: Path) -> list[StoredTensor]:
    """The tensors of a pickle; of DeepSpeed's ``mp_rank_*_model_states.pt``, its module's."""
    try:
        import torch
    except ImportError:
        raise MissingDependencyError(
            f"{path}: reading a pickle needs {extras.lacks(['torch'])}"
        ) from None
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _SAFE_TORCH:
        raise MissingDependencyError(
            f"{path}: torch {torch.__version__} does not load pickles safely; install 2.6 or later"
        )
    try:
        with warnings.catch_warnings():  # of protocols and sparse tensors, which are judged below
            warnings.simplefilter("ignore")
            content = _load(path)
    except Exception as error:  # a hostile pickle can make it raise anything
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"{path}: not readable as tensors alone, and nothing in it was executed "
            f"({reason[0][:200]}); where you trust it, save its tensors as safetensors"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("module"), dict):
        content = content["module"]
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path}: holds no tensors by name; name the file of a state dict")
    return [_of_torch(path, name, value) for name, value in content.items()]


def _load(path: Path) -> Any:
    import torch

    try:  # maps the file, so that one tensor is in memory at a time
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # written before torch 1.6: such a file cannot be mapped
        return torch.load(path, map_location="cpu", weights_only=True)


def _of_torch(path: Path, name: Any, value: Any) -> StoredTensor:
    import torch

    dtypes = {
        torch.bfloat16: "BF16",
        torch.float16: "F16",
        torch.float32: "F32",
        torch.int64: "I64",
    }
    usable = isinstance(value, torch.Tensor) and value.layout is torch.strided
    if not isinstance(name, str) or not usable or value.dtype not in dtypes:
        found = getattr(value, "dtype", type(value).__name__)
        raise CheckpointError(
            f"{path}: {str(name)[:200]!r} is {found}, no dense tensor of a supported kind; "
            "save the weights as bfloat16, float16 or float32"
        )
    return StoredTensor(name, dtypes[value.dtype], tuple(value.shape), path, partial(_raw, value))


def _raw(value: torch.Tensor) -> NDArray[Any]:
    import torch

    own = value.detach().contiguous()
    array: NDArray[Any]
    if own.dtype is torch.bfloat16:
        # The sign does not matter to bits; unsigned views need a newer torch than signed ones.
        array = own.view(torch.int16).numpy().view(np.uint16)
    else:
        array = own.numpy()
    return array
