"""Weights that a package stores in fewer bytes than it computes with, as what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlpackage.program import Constant, TensorType
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.program import Block, Op

SHIFT_SCALE = "constexpr_blockwise_shift_scale"


class Expanded(Constant):
    """A constant that an operation expands from others; its elements are made whenever asked for.

    Attributes:
        parts: what it is made of, by parameter.
    """

    parts: Mapping[str, Constant]

    def __init__(self, op: Op, parts: Mapping[str, Constant]) -> None:
        """Of a shift and scale, ``scale * data`` in blocks as many as ``scale`` has elements.

        Raises:
            BundleError: the parts do not fit each other, or what ``op`` declares.
        """
        declared = op.outputs[0].type
        data, scale = parts["data"], parts["scale"]
        if (
            not isinstance(declared, TensorType)
            or declared.shape != data.type.shape
            or len(scale.shape) != len(data.shape)
            or any(not s or d % s for d, s in zip(data.shape, scale.shape, strict=True))
        ):
            raise BundleError(f"{op}: {data.type} and {scale.type} make no {declared}")
        object.__setattr__(self, "type", declared)
        object.__setattr__(self, "place", data.place)
        object.__setattr__(self, "parts", parts)

    @property
    def stored(self) -> NDArray[Any]:
        """The elements, flat."""
        return self.array().reshape(-1)

    def array(self) -> NDArray[Any]:
        """The elements in shape; a copy."""
        data, scale = self.parts["data"].array(), self.parts["scale"].array()
        for axis, (size, scales) in enumerate(zip(data.shape, scale.shape, strict=True)):
            scale = scale if scales == 1 else np.repeat(scale, size // scales, axis)
        return np.asarray(data.astype(scale.dtype) * scale)


def constants(block: Block) -> dict[str, Constant]:
    """The tensors that a block defines, stored or expanded from what is stored, by name.

    Raises:
        BundleError: an expansion does not fit its parts.
    """
    found: dict[str, Constant] = {}
    for op in block.ops:
        if not op.outputs:
            continue
        if op.kind == "const":
            value = op.inputs["val"][0] if op.inputs.get("val") else None
            if isinstance(value, Constant):
                found[op.outputs[0].name] = value
        elif op.kind == SHIFT_SCALE and op.inputs.keys() == {"data", "scale"}:
            given = {name: arguments[0] for name, arguments in op.inputs.items()}
            parts = {n: found.get(v) if isinstance(v, str) else v for n, v in given.items()}
            known = {name: part for name, part in parts.items() if isinstance(part, Constant)}
            if len(known) == len(parts):
                found[op.outputs[0].name] = Expanded(op, known)
    return found
