"""Where the constants of a program lie, and which may be written over.

A new place costs pages that the system has to find, to clear and, in a file, to write out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mobileo_export.compression.exact import Empty


def alone(program: Any, constants: Iterable[Any]) -> set[Any]:
    """Those of ``constants`` that lie in one piece, where no other of ``program`` does."""
    every = [op for function in program.functions.values() for op in function.operations]
    arrays = [(op, op.outputs[0].val) for op in every if op.op_type == "const"]
    spans = [
        (*np.lib.array_utils.byte_bounds(values), op)
        for op, values in arrays
        if isinstance(values, np.ndarray) and values.size
    ]
    spans.sort(key=lambda span: span[:2])
    shared: set[Any] = set()
    end, last = 0, None  # of all before, and whose it is
    for first, stop, op in spans:
        if first < end:
            shared |= {op, last}
        if stop > end:
            end, last = stop, op
    return {op for op in constants if op not in shared and _writable(op.outputs[0].val)}


def over(values: NDArray[Any]) -> Empty:
    """Gives the place of ``values``, as far as it goes."""
    return lambda size, dtype: values.reshape(-1).view(dtype)[:size]


def _writable(values: NDArray[Any]) -> bool:
    return values.flags.c_contiguous and values.flags.writeable
