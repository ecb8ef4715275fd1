"""A float32 graph as a strongly typed float16 one, with islands that stay float32.

TensorRT takes the types of such a graph as they are: what is float16 here is float16 on the board.
Casts stand where an island begins or ends, one a value. Weights are rounded when they are written.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.converters.onnx.precision import LARGEST
from mobileo_export.errors import ConversionError

if TYPE_CHECKING:
    import onnx_ir as ir

    from mobileo_export.converters.onnx.graphs import GraphSpec

# Inputs that are not of the type that the operation computes in: the scales of Resize.
_FIXED_INPUTS = {"Resize": (1, 2)}


def convert(model: ir.Model, spec: GraphSpec, wide: Collection[str]) -> None:
    """Make ``model`` float16 but for the nodes ``wide``, in place; its boundary is ``spec``'s.

    Raises:
        ConversionError: a weight outside the islands does not fit in half precision.
    """
    _Half(model, spec, wide).run()


class _Half:
    def __init__(self, model: ir.Model, spec: GraphSpec, wide: Collection[str]) -> None:
        import onnx_ir as ir

        self._graph = model.graph
        self._spec = spec
        self._wide = wide
        self._cast: dict[tuple[str, Any], ir.Value] = {}
        self._types = {"float32": ir.DataType.FLOAT, "float16": ir.DataType.FLOAT16}

    def run(self) -> None:
        for value, tensor in zip(self._graph.inputs, self._spec.inputs, strict=True):
            if tensor.dtype in self._types:
                value.dtype = self._types[tensor.dtype]
        for node in list(self._graph):
            self._type(node)
        for index, tensor in enumerate(self._spec.outputs):
            self._finish(index, self._types[tensor.dtype])
        for name in [n for n, v in self._graph.initializers.items() if not v.uses()]:
            del self._graph.initializers[name]

    def _type(self, node: ir.Node) -> None:
        import onnx_ir as ir

        floats = [v for v in node.outputs if v.dtype is not None and v.dtype.is_floating_point()]
        if not floats:
            return
        narrow = str(node.name) not in self._wide
        dtype = ir.DataType.FLOAT16 if narrow else ir.DataType.FLOAT
        fixed = _FIXED_INPUTS.get(node.op_type, ())
        for index, value in enumerate(node.inputs):
            if value is None or value.dtype is None or index in fixed:
                continue
            if value.dtype.is_floating_point() and value.dtype != dtype:
                node.replace_input_with(index, self._as(value, dtype, node))
        for value in floats:
            value.dtype = dtype

    def _as(self, value: ir.Value, dtype: Any, user: ir.Node) -> ir.Value:
        key = (str(value.name), dtype)
        if key not in self._cast:
            make = self._rounded if value.is_initializer() else self._inserted
            self._cast[key] = make(value, dtype, user)
        return self._cast[key]

    def _rounded(self, value: ir.Value, dtype: Any, user: ir.Node) -> ir.Value:
        """A weight in half, rounded when it is written."""
        import onnx_ir as ir

        original = value.const_value
        assert original is not None
        array = original.numpy()
        if array.size and max(float(array.max()), -float(array.min())) > LARGEST:
            raise ConversionError(
                f"{self._spec.name}: {user.name} has a weight beyond half precision; keep it in "
                "float32 with a rule of --precision-plan"
            )
        name = f"{value.name}.half"
        made = ir.Value(name=name, shape=value.shape, type=ir.TensorType(dtype))
        made.const_value = ir.LazyTensor(
            lambda: ir.Tensor(original.numpy().astype(np.float16), name=name),
            dtype=dtype,
            shape=ir.Shape(array.shape),
            name=name,
        )
        self._graph.register_initializer(made)
        return made

    def _inserted(self, value: ir.Value, dtype: Any, user: ir.Node) -> ir.Value:
        """A cast behind whatever makes ``value``."""
        node = self._cast_node(value, dtype, f"{value.name}/Cast")
        producer = value.producer()
        if producer is None:
            self._graph.insert_before(self._graph[0], node)
        else:
            self._graph.insert_after(producer, node)
        return node.outputs[0]

    def _finish(self, index: int, dtype: Any) -> None:
        value = self._graph.outputs[index]
        if value.dtype == dtype:
            return
        name = str(value.name)
        value.name = f"{name}.inner"
        node = self._cast_node(value, dtype, f"{name}/Cast_out")
        node.outputs[0].name = name
        self._graph.append(node)
        self._graph.outputs[index] = node.outputs[0]

    def _cast_node(self, value: ir.Value, dtype: Any, name: str) -> ir.Node:
        import onnx_ir as ir

        node = ir.node("Cast", [value], {"to": int(dtype)}, name=name)
        output = node.outputs[0]
        output.name = f"{value.name}.{dtype.name.lower()}"
        output.shape, output.type = value.shape, ir.TensorType(dtype)
        return node
