"""What is done to an exported graph before it is written.

Weights are stored as they are multiplied, nodes are named after the modules that they come from,
and what torch tells of the machine (source lines, paths) is removed.
"""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx_ir as ir

_SCOPES = "pkg.torch.onnx.name_scopes"
_NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"
GRAPH = "graph"  # nodes of no module: shape arithmetic, and the top level


def run(model: ir.Model) -> None:
    """All of it, in place."""
    name_nodes(model)
    fold_transposes(model)
    plain_reshapes(model)
    strip(model)


def module_of(node: ir.Node) -> str:
    """The path of the module that a node comes from, of a graph that :func:`name_nodes` saw."""
    module = str(node.name).rpartition("/")[0]
    return "" if module == GRAPH else module


def name_nodes(model: ir.Model) -> None:
    """Name every node ``module.path/Operator``, numbered where a module has several of one."""
    seen: Counter[str] = Counter()
    for node in model.graph:
        scopes = ast.literal_eval(node.metadata_props.get(_SCOPES, "[]"))
        module = scopes[-2] if len(scopes) > 1 and scopes[-2] != _NO_MODULE else ""
        name = f"{module or GRAPH}/{node.op_type}"
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name}_{seen[name]}"


def fold_transposes(model: ir.Model) -> None:
    """Store weights transposed where the graph would transpose them in every call.

    A board folds them while it builds, at the price of a second copy in its memory.
    """
    import onnx_ir as ir

    for node in list(model.graph):
        source = node.inputs[0] if node.inputs else None
        if node.op_type != "Transpose" or source is None or not source.is_initializer():
            continue
        tensor, output = source.const_value, node.outputs[0]
        assert tensor is not None
        order = node.attributes["perm"].as_ints()
        view = np.transpose(tensor.numpy(), order)
        name = f"{source.name}.transposed"
        if name not in model.graph.initializers:
            folded = ir.Value(name=name, shape=ir.Shape(view.shape), type=source.type)
            folded.const_value = ir.Tensor(view, dtype=tensor.dtype, name=name)
            model.graph.register_initializer(folded)
        replacement = model.graph.initializers[name]
        for user, index in tuple(output.uses()):
            user.replace_input_with(index, replacement)
        model.graph.remove(node, safe=True)


def plain_reshapes(model: ir.Model) -> None:
    """Drop ``allowzero`` where no dimension is zero, so that no reader need know of it."""
    for node in model.graph:
        if node.op_type != "Reshape" or "allowzero" not in node.attributes:
            continue
        shape = node.inputs[1]
        known = shape.const_value if shape is not None else None
        if known is not None and known.numpy().all():
            del node.attributes["allowzero"]


def strip(model: ir.Model) -> None:
    """Remove what torch records of modules, source lines and itself."""
    from mobileo_export import __version__

    model.producer_name, model.producer_version = "mobileo-export", __version__
    model.doc_string = model.domain = None
    model.metadata_props.clear()
    model.functions.clear()
    graph: Any = model.graph
    graph.name, graph.doc_string = GRAPH, None
    graph.metadata_props.clear()
    for node in graph:
        node.metadata_props.clear()
        node.doc_string = None
    for value in _values(graph):
        value.metadata_props.clear()
        value.doc_string = None
    for domain in [name for name in model.opset_imports if name]:
        del model.opset_imports[domain]


def _values(graph: Any) -> Iterator[ir.Value]:
    yield from graph.inputs
    yield from graph.initializers.values()
    for node in graph:
        yield from node.outputs
