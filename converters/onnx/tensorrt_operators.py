"""What the TensorRT versions of the boards can read: operators, opsets, and their restrictions.

TensorRT cannot be installed without a GPU's packages, and its newest relative that can reads more
than the boards do. The rows are facts of the onnx-tensorrt project's support matrices
(docs/operators.md, branches release/10.1-GA and later), for the operators that graphs of ours have
or a torch release may come to emit. An operator that is not listed counts as unreadable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Board:
    """A TensorRT version that boards have. Opsets are inclusive."""

    tensorrt: str
    jetpack: str
    lowest_opset: int
    highest_opset: int
    highest_ir: int


BOARDS = (
    Board("10.3", "6.2", 9, 20, 10),
    Board("10.16", "7.2", 9, 24, 12),
)
FLOATS, SHAPES = ("FLOAT", "FLOAT16"), ("INT32", "INT64")
_ANY = (*FLOATS, *SHAPES, "BOOL")
_NUMBERS = (*FLOATS, *SHAPES)
_ROWS: dict[tuple[str, ...], tuple[str, ...]] = {
    _NUMBERS: (
        "Abs", "Add", "Div", "Max", "Min", "Mul", "Neg", "Sub", "Sum", "Gather", "GatherElements",
        "GatherND", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Range", "Pad", "Pow",
        "DepthToSpace", "SpaceToDepth",
    ),
    FLOATS: (
        "BatchNormalization", "Ceil", "Clip", "Conv", "ConvTranspose", "Cos", "Einsum", "Elu",
        "Erf", "Exp", "Floor", "Gelu", "Gemm", "GlobalAveragePool", "GroupNormalization",
        "HardSigmoid", "HardSwish", "InstanceNormalization", "LayerNormalization", "LeakyRelu",
        "Log", "LogSoftmax", "MatMul", "Reciprocal", "Relu", "Resize", "Round", "Sigmoid", "Sin",
        "Softmax", "Softplus", "Sqrt", "Tanh",
    ),
    _ANY: (
        "Cast", "CastLike", "Concat", "Constant", "ConstantOfShape", "Equal", "Expand", "Flatten",
        "Greater", "GreaterOrEqual", "Identity", "IsNaN", "Less", "LessOrEqual", "Not", "And", "Or",
        "Reshape", "Shape", "Size", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Trilu",
        "Unsqueeze", "Where",
    ),
}  # fmt: skip
# Element types that an operator takes, by operator.
OPERATORS = {name: types for types, names in _ROWS.items() for name in names}
_RESIZE_MODES = frozenset({"nearest", "linear"})


def problems(model: Any, board: Board) -> Iterator[str]:
    """Why ``board`` cannot read an ONNX protobuf, one line a reason; nothing if it can.

    Weights need not be loaded. Types of intermediate values are looked up where the graph states
    them (``value_info``).
    """
    version = f"TensorRT {board.tensorrt}"
    if model.ir_version > board.highest_ir:
        yield f"IR version {model.ir_version}, {version} reads up to {board.highest_ir}"
    for opset in model.opset_import:
        if opset.domain:
            yield f"operators of the domain {opset.domain}, which {version} does not have"
        elif not board.lowest_opset <= opset.version <= board.highest_opset:
            yield (
                f"opset {opset.version}, {version} reads {board.lowest_opset} to "
                f"{board.highest_opset}"
            )
    types = _types(model.graph)
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        allowed = OPERATORS.get(node.op_type)
        if node.domain or allowed is None:
            yield f"{node.name}: {node.op_type} is no operator that {version} is known to read"
            continue
        for name in node.input:
            if name in types and types[name] not in allowed:
                yield f"{node.name}: {node.op_type} of {types[name]}, {version} takes {allowed}"
        restriction = _RESTRICTIONS.get(node.op_type)
        if restriction is not None and (problem := restriction(node, constants)):
            yield f"{node.name}: {problem} in {version}"


def _types(graph: Any) -> dict[str, str]:
    from onnx import TensorProto

    stated = (*graph.input, *graph.output, *graph.value_info)
    types = {value.name: value.type.tensor_type.elem_type for value in stated}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    return {name: TensorProto.DataType.Name(code) for name, code in types.items()}


def _attribute(node: Any, name: str, default: str) -> str:
    for attribute in node.attribute:
        if attribute.name == name:
            text: bytes = attribute.s
            return text.decode()
    return default


def _resize(node: Any, constants: set[str]) -> str | None:
    mode = _attribute(node, "mode", "nearest")
    return None if mode in _RESIZE_MODES else f"Resize has no mode {mode}"


def _constant_input(index: int, what: str) -> Callable[[Any, set[str]], str | None]:
    def check(node: Any, constants: set[str]) -> str | None:
        if len(node.input) <= index or not node.input[index] or node.input[index] in constants:
            return None
        return f"{what} of {node.op_type} must be a constant"

    return check


def _one_output(node: Any, constants: set[str]) -> str | None:
    return "only the first output of LayerNormalization exists" if len(node.output) > 1 else None


_RESTRICTIONS: dict[str, Callable[[Any, set[str]], str | None]] = {
    "Resize": _resize,
    "LayerNormalization": _one_output,
    "Squeeze": _constant_input(1, "the axes"),
    "Unsqueeze": _constant_input(1, "the axes"),
    "Slice": _constant_input(3, "the axes"),
    "Pad": _constant_input(3, "the axes"),
    "ReduceMean": _constant_input(1, "the axes"),
    "ReduceSum": _constant_input(1, "the axes"),
}
