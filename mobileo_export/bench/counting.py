"""What one operation of a graph computes: FLOPs of products, and arithmetic of single elements.

A product (matrix product, convolution, attention) counts 2 a multiply-add, as PyTorch's counter
does, what a causal mask leaves out and the bias's addition not told apart. Any other operation
counts 1 an element: of its result, or of what it takes where it sums or pools. Moving, joining and
cutting count nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mobileo_export.runtimes.shapes import ShapedOperation

# The names of both kinds of graph, without underscores and in lower case.
_MOVES = frozenset(
    (
        "bandpart", "batchtospace", "cast", "concat", "constant", "constantofshape", "crop",
        "depthtospace", "expand", "expanddims", "fill", "filllike", "flatten", "flatten2d",
        "gather", "gatheralongaxis", "gathernd", "identity", "makelist", "listgather", "listread",
        "listscatter", "listwrite", "listlength", "nonzero", "onehot", "pad", "pixelshuffle",
        "pixelunshuffle", "range", "range1d", "readstate", "reshape", "reshapelike", "resize",
        "reverse", "reversesequence", "shape", "slice", "slicebyindex", "slicebysize",
        "sliceupdate", "slidingwindows", "spacetobatch", "spacetodepth", "split", "squeeze",
        "stack", "tile", "transpose", "unsqueeze", "upsamplenearestneighbor", "coremlupdatestate",
        "cond", "whileloop",
    )
)  # fmt: skip
_SUMS = ("reduce", "avgpool", "maxpool", "l2pool", "averagepool", "globalaveragepool", "cumsum")


def products(op: ShapedOperation) -> int:
    """FLOPs of the products in ``op``; 0 if it is none."""
    count = _PRODUCTS.get(plain(op.kind))
    return count(op) if count is not None and op.results else 0


def elementwise(op: ShapedOperation) -> int:
    """Arithmetic of single elements in ``op``; 0 of a product, or of what only moves."""
    kind = plain(op.kind)
    if kind in _MOVES or kind in _PRODUCTS:
        return 0
    if kind.startswith(_SUMS):
        return math.prod(op.operands[0].tensor.shape) if op.operands else 0
    return sum(math.prod(value.tensor.shape) for value in op.results)


def plain(kind: str) -> str:
    """An operation's kind as both kinds of graph write it: ``reduce_mean`` and ``ReduceMean``."""
    return kind.replace("_", "").lower()


def _result(op: ShapedOperation) -> int:
    return math.prod(op.results[0].tensor.shape)


def _matrix(transposed: str) -> Callable[[ShapedOperation], int]:
    """Of a matrix product whose first factor may be transposed, which the setting says."""

    def count(op: ShapedOperation) -> int:
        sizes = op.sizes("x")
        swapped = bool(op.settings.get(transposed)) and len(sizes) > 1
        return 2 * _result(op) * sizes[-2 if swapped else -1]

    return count


def _convolution(op: ShapedOperation) -> int:
    return 2 * _result(op) * math.prod(op.sizes("weight")[1:])


def _transposed_convolution(op: ShapedOperation) -> int:
    return 2 * math.prod(op.sizes("x")) * math.prod(op.sizes("weight")[1:])


def _attention(op: ShapedOperation) -> int:
    query, key, value = (op.sizes(name) for name in ("query", "key", "value"))
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _einsum(op: ShapedOperation) -> int:
    """Every index takes part in each product."""
    equation = str(op.settings.get("equation", "")).replace(" ", "")
    terms = equation.partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, op.operands, strict=False):
        sizes.update(zip(term, operand.tensor.shape, strict=False))
    return 2 * math.prod(sizes.values()) if len(terms) > 1 else 0


_PRODUCTS: Mapping[str, Callable[[ShapedOperation], int]] = {
    "linear": _matrix(""),
    "matmul": _matrix("transpose_x"),
    "gemm": _matrix("transA"),
    "conv": _convolution,
    "convtranspose": _transposed_convolution,
    "scaleddotproductattention": _attention,
    "einsum": _einsum,
}
