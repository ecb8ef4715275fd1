"""Weights that a package stores in fewer bytes than it computes with, as what they stand for.

Nothing of the evaluator is used here: what is stored can be held against what is executed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlpackage.program import Constant, TensorType
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.program import Block, Op

SHIFT_SCALE, LOOK_UP = "constexpr_blockwise_shift_scale", "constexpr_lut_to_dense"
# What holds an element each, what else there has to be, and what there may be.
_PARAMETERS = {
    SHIFT_SCALE: ("data", {"scale"}, {"offset"}),
    LOOK_UP: ("indices", {"lut"}, set[str]()),
}


class Expanded(Constant):
    """A constant that an operation expands from others; its elements are made whenever asked for.

    Attributes:
        kind: of the operation: :data:`SHIFT_SCALE`, ``scale * (data - offset)``, or
            :data:`LOOK_UP`, the entry of a table ``lut [*groups, entries, 1]`` for each index.
            An element of a scale or an offset, and a table, serves a block, as many as there are.
        parts: what it is made of, by parameter.
    """

    kind: str
    parts: Mapping[str, Constant]

    def __init__(self, op: Op, parts: Mapping[str, Constant]) -> None:
        """Of ``op``.

        Raises:
            BundleError: the parts do not fit each other, or what ``op`` declares.
        """
        declared = op.outputs[0].type
        elements = parts[_PARAMETERS[op.kind][0]]
        if not isinstance(declared, TensorType) or not _fits(op.kind, declared, elements, parts):
            rest = ", ".join(str(part.type) for part in parts.values() if part is not elements)
            raise BundleError(f"{op}: {elements.type} and {rest} make no {declared}")
        object.__setattr__(self, "type", declared)
        object.__setattr__(self, "place", elements.place)
        object.__setattr__(self, "kind", op.kind)
        object.__setattr__(self, "parts", parts)

    @property
    def elements(self) -> Constant:
        """Of the parts, the one that holds an integer or a float for each element."""
        return self.parts[_PARAMETERS[self.kind][0]]

    @property
    def form(self) -> str:
        """What an element is stored as, such as ``int8`` or ``uint4 palette``."""
        name = self.elements.type.dtype.name
        return f"{name} palette" if self.kind == LOOK_UP else name

    @property
    def stored(self) -> NDArray[Any]:
        """The elements, flat."""
        return self.array().reshape(-1)

    def array(self) -> NDArray[Any]:
        """The elements in shape, computed in float32; a copy."""
        elements = self.elements.array()
        if self.kind == LOOK_UP:
            table = self.parts["lut"].array()
            groups, entries = table.shape[:-2], table.shape[-2]
            first = np.arange(math.prod(groups), dtype=np.int32).reshape(groups) * entries
            values = table.reshape(-1)[_spread(first, elements.shape) + elements]
        else:
            values = elements.astype(np.float32)
            if "offset" in self.parts:
                offset = self.parts["offset"].array().astype(np.float32)
                values -= _spread(offset, values.shape)
            values *= _spread(self.parts["scale"].array().astype(np.float32), values.shape)
        return np.asarray(values, self.type.dtype.storage)


def operations(block: Block) -> tuple[Op, ...]:
    """What a block computes: all but its constants, and what expands them."""
    stored = constants(block)
    return tuple(
        op
        for op in block.ops
        if op.kind != "const" and op.outputs and op.outputs[0].name not in stored
    )


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
        elif op.kind in _PARAMETERS and _takes(op):
            given = {name: arguments[0] for name, arguments in op.inputs.items()}
            parts = {n: found.get(v) if isinstance(v, str) else v for n, v in given.items()}
            known = {name: part for name, part in parts.items() if isinstance(part, Constant)}
            if len(known) == len(parts):
                found[op.outputs[0].name] = Expanded(op, known)
    return found


def _takes(op: Op) -> bool:
    """Whether it is of the generation of iOS 18, and its parameters are those known here."""
    elements, needed, allowed = _PARAMETERS[op.kind]
    return {elements} | needed <= op.inputs.keys() <= {elements} | needed | allowed


def _fits(
    kind: str, declared: TensorType, elements: Constant, parts: Mapping[str, Constant]
) -> bool:
    if declared.shape != elements.type.shape:
        return False
    if kind == LOOK_UP:
        table, index = parts["lut"].shape, elements.type.dtype
        whole = len(table) == len(elements.shape) + 2 and table[-1] == 1
        full = index.kind == "int" and not index.signed and table[-2:-1] == (1 << index.bits,)
        return whole and full and _divides(table[:-2], elements.shape)
    return all(
        _divides(part.shape, elements.shape) for part in parts.values() if part is not elements
    )


def _divides(groups: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(groups) == len(shape) and not any(
        not count or size % count for size, count in zip(shape, groups, strict=True)
    )


def _spread(groups: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """``groups``, each element of which serves a block of ``shape``, so that it broadcasts."""
    for axis, (size, count) in enumerate(zip(shape, groups.shape, strict=True)):
        groups = groups if count == 1 else np.repeat(groups, size // count, axis)
    return groups
