"""What one call of an artifact costs: FLOPs, bytes of weights and of activations, by operation.

All of it is told by the saved files, at any input size, without computing and without reading a
weight. ``counting`` says what counts as a FLOP; ``docs/limits.md`` has the definitions.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, Literal

FloatWidth = Literal["float32", "float16"]
BYTES: Mapping[str, int] = {"float32": 4, "float16": 2}
_COSTS = ("flops", "elementwise", "read", "written", "stored", "widened")


@dataclass(frozen=True)
class WeightBytes:
    """A stored weight that an operation takes.

    Attributes:
        key: what tells it from others; the same where several operations share it.
        stored: bytes in the file, tables and scales of a compressed one among them.
        widened: bytes of what it is computed with.
    """

    key: str
    stored: int
    widened: int


@dataclass(frozen=True)
class OperationCost:
    """One operation of a call, or several as one.

    Attributes:
        name: in the graph.
        kind: what the graph calls the operation.
        module: the torch module that it came from; empty where nothing says so.
        flops: of products, 2 a multiply-add.
        elementwise: other arithmetic, 1 an element.
        read: bytes of activations that it takes; 0 where the result is a view of them.
        written: bytes of its results, likewise.
        weights: stored weights that it takes.
    """

    name: str
    kind: str
    module: str
    flops: int
    elementwise: int = 0
    read: int = 0
    written: int = 0
    weights: tuple[WeightBytes, ...] = ()

    @property
    def stored(self) -> int:
        """Bytes of its weights in the file."""
        return sum(weight.stored for weight in self.weights)

    @property
    def widened(self) -> int:
        """Bytes of its weights as it computes with them."""
        return sum(weight.widened for weight in self.weights)

    @property
    def moved(self) -> int:
        """Bytes of activations that it reads and writes, were each to go through memory."""
        return self.read + self.written


@dataclass(frozen=True)
class CallCost:
    """One call, or several together; sums count a shared weight once.

    Attributes:
        operations: in the order of the graph.
        inputs: bytes that the call takes, keys and values of earlier positions among them.
        outputs: bytes that it gives.
        peak: most bytes of activations that live at once, one operation after another in the
            graph's order; views share memory, nothing is computed in place.
    """

    operations: tuple[OperationCost, ...]
    inputs: int
    outputs: int
    peak: int

    @cached_property
    def total(self) -> OperationCost:
        """All operations as one."""
        return _summed("", self.operations)

    def rows(self, count: int) -> CallCost:
        """The same call of ``count`` rows, which share the weights."""
        operations = tuple(
            replace(
                op,
                flops=op.flops * count,
                elementwise=op.elementwise * count,
                read=op.read * count,
                written=op.written * count,
            )
            for op in self.operations
        )
        sizes = (size * count for size in (self.inputs, self.outputs, self.peak))
        return CallCost(operations, *sizes)

    def by_module(self, depth: int | None = None) -> dict[str, OperationCost]:
        """Sums by torch module, cut to ``depth`` names; a shared weight counts once in each."""
        grouped: dict[str, list[OperationCost]] = defaultdict(list)
        for op in self.operations:
            grouped[".".join(op.module.split(".")[:depth])].append(op)
        return {module: _summed(module, ops) for module, ops in grouped.items()}

    def as_json(self) -> dict[str, int]:
        """The sums."""
        total = self.total
        return {
            "flops": total.flops,
            "elementwise": total.elementwise,
            "stored": total.stored,
            "widened": total.widened,
            "activations": total.moved,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "peak": self.peak,
        }


def together(calls: Iterable[CallCost]) -> CallCost:
    """Calls one after another; weights that they share count once."""
    found = tuple(calls)
    return CallCost(
        tuple(op for call in found for op in call.operations),
        sum(call.inputs for call in found),
        sum(call.outputs for call in found),
        max((call.peak for call in found), default=0),
    )


def costliest(call: CallCost, top: int | None = None) -> list[dict[str, Any]]:
    """The operations with most FLOPs, then most bytes; those of repeated blocks together.

    Operations are alike that have one kind and cost, in modules whose names differ in numbers only.
    ``share`` is that of all FLOPs of products; ``names`` are those in the graph.
    """
    alike: dict[tuple[Any, ...], list[OperationCost]] = defaultdict(list)
    for op in call.operations:
        pattern = re.sub(r"\d+", "*", op.module)
        alike[(op.kind, pattern, *attrgetter(*_COSTS)(op))].append(op)
    rows = []
    for (kind, pattern, *found), ops in alike.items():
        sums = {name: len(ops) * cost for name, cost in zip(_COSTS, found, strict=True)}
        rows.append(
            {
                "kind": kind,
                "module": ops[0].module if len(ops) == 1 else pattern,
                "count": len(ops),
                **sums,
                "share": sums["flops"] / (call.total.flops or 1),
                "names": [op.name for op in ops],
            }
        )

    def weight(row: dict[str, Any]) -> tuple[int, int]:
        return row["flops"], row["stored"] + row["read"] + row["written"]

    return sorted(rows, key=weight, reverse=True)[:top]


def _summed(module: str, ops: Sequence[OperationCost]) -> OperationCost:
    """Operations as one; a weight that several take counts once, by the largest part taken."""
    weights: dict[str, WeightBytes] = {}
    for weight in (weight for op in ops for weight in op.weights):
        if weight.key not in weights or weight.stored > weights[weight.key].stored:
            weights[weight.key] = weight
    return OperationCost(
        name=module,
        kind="module",
        module=module,
        flops=sum(op.flops for op in ops),
        elementwise=sum(op.elementwise for op in ops),
        read=sum(op.read for op in ops),
        written=sum(op.written for op in ops),
        weights=tuple(weights.values()),
    )
