"""Put the constants of a lowered program into fewer bytes: what Core ML expands as it loads them.

The constants are replaced in the graph, before it is written, one at a time: rewriting a package
that was saved would run the library's passes over it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.mapped_weights import MappedPages
from mobileo_export.compression.exact import LEAST_ELEMENTS, Halved, halved

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.progress import OnCount


@dataclass
class StoredBits:
    """Elements of all tensors of floats in the weight file, and the bits that they take."""

    elements: int = 0
    bits: int = 0
    left: int = 0  # elements that stay as they were

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        if not self.elements:
            return {}
        average = round(self.bits / self.elements, 3)
        return {"average_bits": average, "float32_elements": self.left}


def store(program: Any, folder: Path, progress: OnCount = lambda done, total: None) -> StoredBits:
    """Replace each large float32 constant of ``program`` that halves exactly.

    What replaces them lies in the pages of a file in ``folder`` that ends with the process.
    """
    told = StoredBits()
    for function in program.functions.values():
        constants = [op for op in function.operations if _is_weight(op, np.float32)]
        halves = [op for op in function.operations if _is_weight(op, np.float16)]
        told.elements += sum(op.outputs[0].val.size for op in halves)
        told.bits += sum(op.outputs[0].val.size * 16 for op in halves)
        pages = MappedPages(folder, (op.outputs[0].val.size * 2 for op in constants))
        with function:
            for done, op in enumerate(constants):
                progress(done, len(constants))
                values = op.outputs[0].val
                exact = halved(values)
                told.elements += values.size
                told.bits += values.size * (32 if exact is None else 16)
                told.left += values.size if exact is None else 0
                if exact is not None:
                    _replace(function, op, Halved(pages.keep(exact.data), exact.scale))
    return told


def _is_weight(op: Any, dtype: type[np.floating[Any]]) -> bool:
    if op.op_type != "const":
        return False
    values = op.outputs[0].val
    return (
        isinstance(values, np.ndarray)
        and values.dtype == dtype
        and values.size >= LEAST_ELEMENTS
        and op.outputs[0] not in op.enclosing_block.outputs
    )


def _replace(function: Any, op: Any, stored: Halved) -> None:
    """Let an expansion of ``stored`` stand where the constant ``op`` stood."""
    from coremltools.converters.mil import Builder

    old, name = op.outputs[0], op.name
    new = Builder.constexpr_blockwise_shift_scale(
        data=stored.data,
        scale=np.full((1,) * stored.data.ndim, stored.scale, np.float32),
        before_op=op,
        name=f"{name}_expanded",
    )
    for made in (new.op, new.op.data.op, new.op.scale.op):
        made.scopes = op.scopes
    function.replace_uses_of_var_after_op(
        anchor_op=new.op, old_var=old, new_var=new, force_replace=True
    )
    function.remove_ops([op])
