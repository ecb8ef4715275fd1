"""Arrays as they travel: safetensors, by the names of a signature."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.components import Dim
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mobileo_export.components import TensorSpec
    from mobileo_export.runtimes.base import Array

MEDIA_TYPE = "application/x-safetensors"
_DTYPES = {"F32": np.float32, "F16": np.float16, "I32": np.int32, "U8": np.uint8}
_HEADER = 1 << 16  # bytes, of names and shapes


def decode(data: bytes) -> dict[str, Array]:
    """The arrays of a safetensors document, copied, so that they are aligned and can be written.

    Raises:
        UsageError: it is none, or holds a dtype that no component takes.
    """
    import safetensors

    library: Any = safetensors  # typed in some of its releases
    try:
        found = library.deserialize(data)
    except library.SafetensorError as error:
        reason = str(error).splitlines()[0] if str(error) else "damaged"
        raise UsageError(f"the body is not safetensors ({reason})") from None
    arrays: dict[str, Array] = {}
    for name, tensor in found:
        dtype = _DTYPES.get(tensor["dtype"])
        if dtype is None:
            raise UsageError(
                f"{name}: has dtype {tensor['dtype']}, expected one of {', '.join(_DTYPES)}"
            )
        arrays[name] = np.frombuffer(tensor["data"], dtype).reshape(tensor["shape"]).copy()
    return arrays


def encode(arrays: Mapping[str, Array]) -> bytes:
    """Arrays as a safetensors document."""
    from safetensors.numpy import save

    whole: dict[str, Any] = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    data: bytes = save(whole)
    return data


def most_bytes(inputs: Iterable[TensorSpec]) -> int:
    """How large a document of the largest ``inputs`` that a signature allows can be."""
    return _HEADER + sum(
        np.dtype(spec.dtype).itemsize
        * math.prod(dim.high if isinstance(dim, Dim) else dim for dim in spec.shape)
        for spec in inputs
    )
