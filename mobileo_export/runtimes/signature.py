"""Check named arrays against a component's signature, the same way for every runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mobileo_export.components import TensorSpec
    from mobileo_export.runtimes.base import Array


def check_inputs(specs: Sequence[TensorSpec], inputs: Mapping[str, Array]) -> None:
    """Refuse inputs that the signature does not describe. Nothing is converted.

    Raises:
        UsageError: an input is missing or unknown, has the wrong rank, size or dtype, lies outside
            a flexible range, holds NaN or infinity, or two inputs disagree about a named
            dimension.
    """
    names = [spec.name for spec in specs]
    for name in inputs:
        if name not in names:
            raise UsageError(f"{name}: unknown input; this component takes {_listed(specs)}")
    sizes: dict[str, tuple[int, str]] = {}
    for spec in specs:
        array = inputs.get(spec.name)
        if array is None:
            if spec.optional:
                continue
            raise UsageError(
                f"{spec.name}: input is missing; this component takes {_listed(specs)}"
            )
        _check_dtype(spec, array)
        _check_shape(spec, array, sizes)
        if spec.dtype == "float32" and not np.isfinite(array).all():
            raise UsageError(f"{spec.name}: holds NaN or infinity")


def describe_shape(spec: TensorSpec) -> str:
    """The shape as text, such as ``[1, N, 2304] with N 8 to 768``."""
    dims = {dim.name: dim for dim in spec.shape if not isinstance(dim, int)}
    text = ", ".join(str(dim) if isinstance(dim, int) else dim.name for dim in spec.shape)
    ranges = ", ".join(f"{dim.name} {dim.low} to {dim.high}" for dim in dims.values())
    return f"[{text}]" + (f" with {ranges}" if ranges else "")


def _check_dtype(spec: TensorSpec, array: Array) -> None:
    if not isinstance(array, np.ndarray):
        raise UsageError(f"{spec.name}: is a {type(array).__name__}, expected a NumPy array")
    if array.dtype != np.dtype(spec.dtype):
        raise UsageError(
            f"{spec.name}: has dtype {array.dtype}, expected {spec.dtype}; "
            f'convert it with .astype("{spec.dtype}")'
        )


def _check_shape(spec: TensorSpec, array: Array, sizes: dict[str, tuple[int, str]]) -> None:
    """``sizes`` gathers, per named dimension, its size and the input that fixed it."""
    wrong = UsageError(
        f"{spec.name}: has shape {list(array.shape)}, expected {describe_shape(spec)}"
    )
    if array.ndim != len(spec.shape):
        raise wrong
    for dim, size in zip(spec.shape, array.shape, strict=True):
        if isinstance(dim, int):
            if size != dim:
                raise wrong
            continue
        if not dim.low <= size <= dim.high:
            raise wrong
        known, owner = sizes.setdefault(dim.name, (size, spec.name))
        if known != size:
            raise UsageError(
                f"{spec.name}: {dim.name} is {size}, but {owner} has {dim.name} {known}; "
                "they must be equal"
            )


def _listed(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(spec.name + (" (optional)" if spec.optional else "") for spec in specs)
