"""What a program stores as weights: how many there are, and in which form.

A compressed weight counts as the elements that it stands for, not as its table, scales or mask.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from mobileo_export.artifacts.mlpackage.program import Constant, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mobileo_export.artifacts.mlpackage.program import Function, Op, Program

_COMPRESSED = "constexpr_"
_MOST_STAGES = 8  # of compression, one upon the other; coremltools writes two
# What holds the elements themselves: each parameter is one operation's, or of both generations.
_ELEMENTS = (
    "quantized_data",
    "data",
    "indices",
    "nonzero_data",
    "indices_nonzero_data",
    "source_val",
)


def count(program: Program) -> Counter[str]:
    """How many elements there are of each form, such as ``float16`` or ``uint4 palette``.

    Counted are tensors in weight files, tensors of floats in the graph, and what compressed ones
    expand to; one that several operations or functions share counts once.
    """
    found: dict[object, tuple[str, int]] = {}
    for function in program.functions.values():
        for key, form, elements in _weights(function):
            found.setdefault(key, (form, elements))
    counted: Counter[str] = Counter()
    for form, elements in found.values():
        counted[form] += elements
    return counted


def _weights(function: Function) -> Iterator[tuple[object, str, int]]:
    """Of each weight what tells it from others, its form, and its elements."""
    ops = list(function.block.walk())
    makers = {output.name: op for op in ops for output in op.outputs}
    used: set[str] = set(function.block.outputs)
    expanded: set[str] = set()
    for op in ops:
        (expanded if op.kind.startswith(_COMPRESSED) else used).update(op.references())
        used.update(name for block in op.blocks for name in block.outputs)
    for op in ops:
        names = {output.name for output in op.outputs}
        if op.kind.startswith(_COMPRESSED) and names & used:
            declared = op.outputs[-1].type
            if isinstance(declared, TensorType):
                form, key = _form(op, makers)
                yield key, form, math.prod(size or 0 for size in declared.shape or ())
        elif names & used or not names & expanded:
            for parameter, arguments in op.inputs.items():
                for value in arguments:
                    if isinstance(value, Constant) and _is_weight(value):
                        key = value.place or (op.name, parameter, value.stored.tobytes())
                        yield key, _name(value), math.prod(value.shape)


def _constant(op: Op) -> Constant | None:
    """The tensor that an operation is, if it is one."""
    held = op.inputs.get("val", ()) if op.kind == "const" else ()
    return held[0] if held and isinstance(held[0], Constant) else None


def _is_weight(value: Constant) -> bool:
    return value.place is not None or (value.type.dtype.kind == "float" and bool(value.shape))


def _name(value: Constant) -> str:
    dtype = value.type.dtype
    return dtype.storage if dtype.kind == "float" else dtype.name


def _form(op: Op, makers: dict[str, Op]) -> tuple[str, object]:
    """Words for a compressed weight, and what tells it from others: where its elements lie.

    It may be compressed twice, such as a palette of what is sparse: operation after operation.
    """
    words: list[str] = []
    for _ in range(_MOST_STAGES):
        if "lut" in op.kind:
            words.append("palette")
        if "sparse" in op.kind and "sparse" not in words:
            words.append("sparse")
        given = [argument for name in _ELEMENTS for argument in op.inputs.get(name, ())]
        if not given:
            break
        maker = makers.get(given[0]) if isinstance(given[0], str) else None
        if maker is not None and maker.kind.startswith(_COMPRESSED):
            op = maker
            continue
        elements = given[0] if maker is None else _constant(maker)
        if isinstance(elements, Constant):
            name = _stored(op, elements)
            return " ".join([name, *sorted(words)]), elements.place or op.name
        break
    return " ".join(["unknown", *sorted(words)]), op.name


def _stored(op: Op, elements: Constant) -> str:
    """The type of the elements; before iOS 18 a table's size tells that of its packed indices."""
    table = op.inputs.get("lut", ())
    if "shape" in op.inputs and table and isinstance(table[0], Constant):
        return f"uint{max(1, (math.prod(table[0].shape) - 1).bit_length())}"
    return _name(elements)
