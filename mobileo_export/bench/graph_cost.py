"""The cost of a call of a graph: a Core ML package or an ONNX file, followed without computing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mobileo_export.bench import counting
from mobileo_export.bench.cost import BYTES, CallCost, FloatWidth, OperationCost, WeightBytes
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.runtimes.shapes import ShapedOperation, ShapedValue

Shapes = dict[str, tuple[int, ...]]
Precisions = Sequence[FloatWidth | None]
AS_DECLARED: Precisions = (None,)
_ASKS_SHAPE = ("shape",)


def of_package(
    path: Path,
    shapes: Shapes | None = None,
    precisions: Precisions = AS_DECLARED,
    modules: Mapping[str, str] | None = None,
) -> tuple[CallCost, ...]:
    """A call of the default function of the package ``path``, in each of ``precisions``.

    Args:
        path: an ``.mlpackage``.
        shapes: of every input; the package's defaults for None.
        precisions: what floats are computed in; as the package declares for None.
        modules: torch module of an operation by the name of its first result.

    Raises:
        UsageError: there is no package, or the shapes do not fit it.
        BundleError: it is damaged, or cannot be followed at these shapes.
        MissingDependencyError: torch or coremltools is not installed.
    """
    extras.need("counting a package's operations", ("torch", "coremltools"))
    from mobileo_export.runtimes.mil.shapes import ShapedPackage

    package = ShapedPackage(path)
    named = modules or {}
    chosen = package.default_shapes() if shapes is None else shapes
    return _counted(
        partial(package.follow, chosen), precisions, lambda op: named.get(op.results[0].name, "")
    )


def of_onnx(
    path: Path, shapes: Shapes, precisions: Precisions = AS_DECLARED
) -> tuple[CallCost, ...]:
    """A call of the graph ``path``, whose nodes are named after torch modules, in each precision.

    Raises:
        UsageError: an input has no shape.
        BundleError: it is damaged, or cannot be followed at these shapes.
        MissingDependencyError: torch or onnx is not installed.
    """
    extras.need("counting a graph's operations", ("torch", "onnx"))
    from mobileo_export.runtimes.onnx.shapes import ShapedGraph

    return _counted(partial(ShapedGraph(path).follow, shapes), precisions, _module_of_node)


def _counted(
    follow: Callable[[Callable[[ShapedOperation], None]], tuple[ShapedValue, ...]],
    precisions: Precisions,
    module: Callable[[ShapedOperation], str],
) -> tuple[CallCost, ...]:
    """What ``follow`` tells, once for all precisions."""
    ledgers = [_Ledger(precision, module) for precision in precisions]

    def observe(op: ShapedOperation) -> None:
        for ledger in ledgers:
            ledger.add(op)

    outputs = follow(observe)
    return tuple(ledger.close(outputs) for ledger in ledgers)


def _module_of_node(op: ShapedOperation) -> str:
    """``blocks.0.attn/MatMul_3`` lies in the module ``blocks.0.attn``; ``graph`` in none."""
    module = op.name.rpartition("/")[0]
    return "" if module == "graph" else module


class _Ledger:
    """Adds up operations as they are told.

    What is made of stored weights alone (an expansion, a transposed matrix) is a weight itself,
    and costs its stored bytes where it is used.
    """

    def __init__(
        self, precision: FloatWidth | None, module: Callable[[ShapedOperation], str]
    ) -> None:
        self._precision = precision
        self._module = module
        self._weights: dict[str, WeightBytes] = {}
        self._made: set[str] = set()
        self._inputs: dict[str, int] = {}
        self._operations: list[OperationCost] = []
        self._peak = 0

    def add(self, op: ShapedOperation) -> None:
        """One more operation; its results are told of before they are taken."""
        weights = [self._weight(value) for value in op.operands]
        known = [weight for weight in weights if weight is not None]
        self._made.update(value.name for value in op.results)
        if weights and len(known) == len(weights):
            stored = sum({weight.key: weight.stored for weight in known}.values())
            key = " ".join(dict.fromkeys(weight.key for weight in known))
            for value in op.results:
                self._weights[value.name] = WeightBytes(key, stored, self._bytes(value))
            return
        taken = {
            value.name: value
            for value, weight in zip(op.operands, weights, strict=True)
            if weight is None
        }
        for name, value in taken.items():
            if name not in self._made:
                self._inputs[name] = self._bytes(value)
        moves = not _is_view(op) and counting.plain(op.kind) not in _ASKS_SHAPE
        self._operations.append(
            OperationCost(
                name=op.name,
                kind=op.kind,
                module=self._module(op) if op.results else "",
                flops=counting.products(op),
                elementwise=counting.elementwise(op),
                read=sum(map(self._bytes, taken.values())) if moves else 0,
                written=sum(map(self._bytes, op.results)) if moves else 0,
                weights=tuple({weight.key: weight for weight in known}.values()),
            )
        )
        self._peak = max(self._peak, self._living(op.live))

    def close(self, outputs: tuple[ShapedValue, ...]) -> CallCost:
        """The call that was told."""
        given = sum(map(self._bytes, outputs))
        return CallCost(tuple(self._operations), sum(self._inputs.values()), given, self._peak)

    def _weight(self, value: ShapedValue) -> WeightBytes | None:
        if value.stored is not None:
            return WeightBytes(value.name, value.stored, self._bytes(value))
        return self._weights.get(value.name)

    def _width(self, value: ShapedValue) -> float:
        """Bytes of an element."""
        if value.floating and self._precision is not None:
            return BYTES[self._precision]
        return value.bits / 8

    def _bytes(self, value: ShapedValue) -> int:
        return math.ceil(math.prod(value.tensor.shape) * self._width(value))

    def _living(self, values: tuple[ShapedValue, ...]) -> int:
        """Bytes of activations; those that share memory count once."""
        from mobileo_export.runtimes.shapes import place

        found: dict[int, float] = {}
        for value in values:
            if value.name in self._weights:
                continue
            memory: Any = value.tensor.untyped_storage()
            size = memory.nbytes() / value.tensor.itemsize * self._width(value)
            found[place(value.tensor)] = max(size, found.get(place(value.tensor), 0))
        return math.ceil(sum(found.values()))


def _is_view(op: ShapedOperation) -> bool:
    """Whether every result lies in the memory of an operand."""
    from mobileo_export.runtimes.shapes import place

    taken = {place(value.tensor) for value in op.operands}
    return bool(op.results) and all(place(value.tensor) in taken for value in op.results)


def modules(operation_map: Path) -> dict[str, str]:
    """The torch module of each operation of a package, by the name of its first result.

    Raises:
        BundleError: the map is missing or malformed.
    """
    from mobileo_export.parity.stored_values.package_graph import read_map

    return {name: origin.module for name, origin in read_map(operation_map).items()}
