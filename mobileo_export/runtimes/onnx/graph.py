"""An ONNX graph executed node by node in PyTorch float32, with a look at every result.

For measuring ranges and for emulating half precision, which ONNX Runtime cannot do: it computes
float16 nodes in float32 and drops the casts between them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mobileo_export.bundle import links
from mobileo_export.bundle.manifest import EXTERNAL_DATA
from mobileo_export.errors import BundleError, first_line
from mobileo_export.runtimes.onnx import operators

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.runtimes.base import Array

Tensor = torch.Tensor


@dataclass(frozen=True)
class Node:
    """One operation of a graph; ``inputs`` name values, empty where one is left out."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


# What a node's float result becomes; called with the node, its inputs and the result.
After = Callable[[Node, Sequence[Any], Tensor], Tensor]


@dataclass(frozen=True)
class OnnxGraph:
    """A graph read from a file; weights stay mapped until a node needs them.

    Attributes:
        path: the ``.onnx`` file.
        nodes: in the order in which they run.
        constants: weights and other constants by name.
        inputs: names and dtypes.
        outputs: names and dtypes.
        half: names of the values that are float16.
    """

    path: Path
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    half: frozenset[str]

    def run(self, inputs: Mapping[str, Array], after: After) -> dict[str, Array]:
        """Execute the graph; ``after`` sees the float results and may replace them.

        Raises:
            BundleError: a node cannot be executed.
        """
        values: dict[str, Any] = {name: as_tensor(inputs[name]) for name in self.inputs}
        with torch.inference_mode():
            for node in self.walk(values):
                given = [self._value(name, values) for name in node.inputs]
                results = self.compute(node, given)
                for name, result in zip(node.outputs, results, strict=True):
                    floating = result.is_floating_point()
                    values[name] = after(node, given, result) if floating else result
        return {
            name: values[name].contiguous().numpy().astype(dtype, copy=False)
            for name, dtype in self.outputs.items()
        }

    def walk(self, values: dict[str, Any]) -> Iterator[Node]:
        """The nodes in their order; behind each what no later one takes leaves ``values``."""
        left = Counter(name for node in self.nodes for name in node.inputs)
        left.update(list(self.outputs))
        for node in self.nodes:
            yield node
            for name in node.inputs:
                left[name] -= 1
                if not left[name]:
                    values.pop(name, None)

    def compute(self, node: Node, given: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        """The results of ``node`` for its inputs.

        Raises:
            BundleError: it cannot be executed.
        """
        operator = operators.find(node.kind, node.name)
        try:
            made = operator(given, node.attributes)
        except (RuntimeError, NotImplementedError, ValueError, IndexError, TypeError) as error:
            reason = first_line(error)
            raise BundleError(
                f"{self.path}: {node.name} cannot be executed ({reason}); export it again"
            ) from error
        return made if isinstance(made, tuple) else (made,)

    def is_half(self, node: Node) -> bool:
        """Whether the results of ``node`` are float16."""
        return node.outputs[0] in self.half

    def _value(self, name: str, values: Mapping[str, Any]) -> Any:
        if not name:
            return None
        if name in values:
            return values[name]
        return as_tensor(self.constants[name])


def load(path: Path) -> OnnxGraph:
    """Read the graph ``path``, its weights mapped from the file beside it.

    Raises:
        BundleError: a file is missing or damaged.
    """
    import onnx

    for file in (path, path.with_name(path.name + EXTERNAL_DATA)):
        links.check(file)
    try:
        model = onnx.load(str(path), load_external_data=False)
        constants = {tensor.name: _constant(path, tensor) for tensor in model.graph.initializer}
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read ({error}); export it again") from error
    except Exception as error:  # protobuf's DecodeError has no public name
        raise BundleError(f"{path}: is no ONNX graph; export it again") from error
    nodes = tuple(
        Node(
            node.name,
            node.op_type,
            tuple(node.input),
            tuple(node.output),
            {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute},
        )
        for node in model.graph.node
    )
    inputs, outputs = (
        {value.name: _dtype(value) for value in values}
        for values in (model.graph.input, model.graph.output)
    )
    stated = {name for name, dtype in inputs.items() if dtype == "float16"}
    stated |= {name for name, values in constants.items() if values.dtype == np.float16}
    return OnnxGraph(path, nodes, constants, inputs, outputs, frozenset(_half(nodes, stated)))


def _half(nodes: tuple[Node, ...], found: set[str]) -> set[str]:
    """Which values are float16: a strongly typed node is what its inputs are."""
    for node in nodes:
        cast = node.attributes.get("to")
        narrow = cast == 10 if cast is not None else any(name in found for name in node.inputs)
        if narrow and node.kind != "Shape":
            found.update(node.outputs)
    return found


def _constant(path: Path, tensor: Any) -> NDArray[Any]:
    import onnx

    if not tensor.external_data:
        values: NDArray[Any] = onnx.numpy_helper.to_array(tensor)
        return values
    entry = {item.key: item.value for item in tensor.external_data}
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    # The name is the one that export gives: whatever the file says, nothing else is opened.
    data = path.with_name(path.name + EXTERNAL_DATA)
    return np.memmap(data, dtype, "r", int(entry.get("offset", 0)), tuple(tensor.dims))


def _dtype(value: Any) -> str:
    import onnx

    return str(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))


def as_tensor(array: Any) -> Tensor:
    """An array as a tensor, half precision as float32."""
    values = np.asarray(array)
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))
