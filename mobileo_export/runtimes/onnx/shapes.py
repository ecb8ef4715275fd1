"""Follow an ONNX graph without computing: the shapes of every operation, at any input size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from mobileo_export.errors import UsageError
from mobileo_export.runtimes.onnx import graph
from mobileo_export.runtimes.shapes import (
    Observe,
    ShapedOperation,
    ShapedValue,
    ShapesOnly,
    empty,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mobileo_export.runtimes.onnx.graph import Node, OnnxGraph

_SMALL = 1 << 12  # bytes of a constant that may say sizes; a larger one is a weight
# The operands' names that a count asks for, in the order of the specification.
_PARAMETERS = ("x", "weight")


class ShapedGraph:
    """A graph that can be followed; its weights are not read."""

    def __init__(self, path: Path) -> None:
        """Open the graph ``path``.

        Raises:
            BundleError: a file is missing or damaged.
        """
        self._graph: OnnxGraph = graph.load(path)
        self._constants = {
            name: _constant(name, array) for name, array in self._graph.constants.items()
        }

    def follow(
        self, shapes: Mapping[str, tuple[int, ...]], observe: Observe
    ) -> tuple[ShapedValue, ...]:
        """Call ``observe`` with every operation, for inputs of ``shapes``; the outputs.

        Raises:
            UsageError: an input has no shape.
            BundleError: an operation cannot be executed on these shapes, or needs values.
        """
        missing = self._graph.inputs.keys() - shapes.keys()
        if missing:
            raise UsageError(f"{self._graph.path}: input {min(missing)} has no shape")
        values = {
            name: ShapedValue(name, empty(shapes[name], _carried(dtype)), _bits(dtype))
            for name, dtype in self._graph.inputs.items()
        }
        with torch.inference_mode(), ShapesOnly():
            for node in self._graph.walk(values):
                self._step(node, values, observe)
        return tuple(values[name] for name in self._graph.outputs)

    def _step(self, node: Node, values: dict[str, ShapedValue], observe: Observe) -> None:
        given = [None if not n else values.get(n) or self._constants.get(n) for n in node.inputs]
        results = self._graph.compute(node, [None if v is None else v.tensor for v in given])
        told = tuple(
            ShapedValue(name, result, self._width(name, result))
            for name, result in zip(node.outputs, results, strict=True)
        )
        values.update((value.name, value) for value in told)
        operands = tuple(
            ShapedValue(v.name, v.tensor, v.bits, v.stored, _parameter(place))
            for place, v in enumerate(given)
            if v is not None
        )
        live = tuple(values.values())
        settings = dict(node.attributes)
        observe(ShapedOperation(node.name, node.kind, operands, told, settings, live))

    def _width(self, name: str, tensor: torch.Tensor) -> int:
        return 16 if name in self._graph.half else 8 * tensor.itemsize


def _parameter(place: int) -> str:
    return _PARAMETERS[place] if place < len(_PARAMETERS) else ""


def _constant(name: str, array: Any) -> ShapedValue:
    dtype = str(array.dtype)
    known = array.nbytes <= _SMALL
    tensor = graph.as_tensor(array) if known else empty(array.shape, _carried(dtype))
    return ShapedValue(name, tensor, _bits(dtype), array.nbytes)


def _bits(dtype: str) -> int:
    return 8 * int(getattr(torch, dtype).itemsize)


def _carried(dtype: str) -> torch.dtype:
    found: torch.dtype = getattr(torch, "float32" if dtype == "float16" else dtype)
    return found
