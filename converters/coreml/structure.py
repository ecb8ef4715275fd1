"""What a lowered component must look like, checked on the protobuf before it is sealed.

Names, order, dtypes, fixed and flexible shapes, weights all in the weight file, no control flow.
Numbers are not looked at here: that is parity's part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.components import ComponentSpec, Dim, Precision, TensorSpec
from mobileo_export.converters.base import require

# Everything a reference of ours lowers to; another operation means that a tool has changed.
OPERATIONS = frozenset({
    "add", "cast", "clip", "concat", "const",
    "constexpr_blockwise_shift_scale", "constexpr_lut_to_dense", "conv", "cos", "expand_dims",
    "gather", "gelu", "identity", "layer_norm", "linear", "matmul", "mul", "pad", "pixel_shuffle",
    "pow", "range_1d", "real_div", "reduce_mean", "reduce_sum", "relu", "reshape", "rsqrt",
    "scaled_dot_product_attention", "select", "shape", "sigmoid", "sigmoid_hard", "silu", "sin",
    "slice_by_index", "softmax", "split", "sqrt", "squeeze", "stack", "sub", "tile",
    "thresholded_relu", "transpose", "upsample_nearest_neighbor",
})  # fmt: skip
_FLOAT32, _FLOAT16, _INT32 = 65568, 65552, 131104  # ArrayFeatureType.ArrayDataType
_MAX_INLINE = 1 << 16  # bytes of a constant kept in the graph instead of the weight file


def census(protobuf: Any) -> Counter[str]:
    """How many operations of each type the program has, constants included."""
    return Counter(operation.type for operation in _operations(protobuf))


def check(
    protobuf: Any, weight_file: Path, spec: ComponentSpec, model: ModelConfig, precision: Precision
) -> None:
    """Raise ConversionError at the first thing that is not as the component's signature says."""
    for kind, features, tensors in (
        ("input", protobuf.description.input, spec.inputs(model)),
        ("output", protobuf.description.output, spec.outputs(model)),
    ):
        wanted = [tensor.name for tensor in tensors]
        found = [feature.name for feature in features]
        require(found == wanted, spec.name, f"{kind}s are {found}, expected {wanted}")
        for feature, tensor in zip(features, tensors, strict=True):
            _check_array(feature.type.multiArrayType, tensor, spec, kind)
    function = protobuf.mlProgram.functions["main"]
    require(function.opset == "CoreML8", spec.name, f"opset is {function.opset}, expected CoreML8")
    block = function.block_specializations[function.opset]
    _check_output_types(block, spec, model)
    foreign = sorted(census(protobuf).keys() - OPERATIONS)
    require(not foreign, spec.name, f"lowered to an operation that nothing here proves: {foreign}")
    _check_constants(protobuf, weight_file, spec, precision)


def _check_array(array: Any, tensor: TensorSpec, spec: ComponentSpec, kind: str) -> None:
    dtype = _INT32 if tensor.dtype == "int32" else _FLOAT32
    require(array.dataType == dtype, spec.name, f"{tensor.name} is not {tensor.dtype}")
    if kind == "output":
        return
    shape = [dim.default if isinstance(dim, Dim) else dim for dim in tensor.shape]
    require(
        list(array.shape) == shape, spec.name, f"{tensor.name} is {list(array.shape)}, not {shape}"
    )
    ranges = [(r.lowerBound, r.upperBound) for r in array.shapeRange.sizeRanges]
    if any(isinstance(dim, Dim) for dim in tensor.shape):
        bounds = [(d.low, d.high) if isinstance(d, Dim) else (d, d) for d in tensor.shape]
        require(ranges == bounds, spec.name, f"{tensor.name} allows {ranges}, expected {bounds}")
    else:
        require(not ranges, spec.name, f"{tensor.name} has a flexible shape")


def _check_output_types(block: Any, spec: ComponentSpec, model: ModelConfig) -> None:
    types = {o.name: o.type for operation in block.operations for o in operation.outputs}
    for tensor in spec.outputs(model):
        dims = types[tensor.name].tensorType.dimensions
        found = [d.constant.size if d.WhichOneof("dimension") == "constant" else None for d in dims]
        wanted = [dim if isinstance(dim, int) else None for dim in tensor.shape]
        require(found == wanted, spec.name, f"{tensor.name} has shape {found}, expected {wanted}")


def _check_constants(
    protobuf: Any, weight_file: Path, spec: ComponentSpec, precision: Precision
) -> None:
    size = weight_file.stat().st_size
    stored = 0
    for operation in _operations(protobuf):
        for value in _constants(operation):
            if value.WhichOneof("value") == "immediateValue":
                inline = value.immediateValue.ByteSize()
                require(
                    inline < _MAX_INLINE, spec.name, f"{inline} bytes of weights lie in the graph"
                )
                continue
            stored += 1
            behind = value.blobFileValue.offset >= size
            require(not behind, spec.name, "a constant lies behind the weight file")
            half = value.type.tensorType.dataType == 10  # MIL.DataType.FLOAT16
            computes = operation.type == "const" and precision == "float32"
            require(not (half and computes), spec.name, "a float32 build holds float16 weights")
    require(stored > 0, spec.name, "has no weights")


def _constants(operation: Any) -> Iterator[Any]:
    """What an operation holds: its value, if it is a constant, or what it expands to one."""
    if operation.type == "const":
        yield operation.attributes["val"]
    elif operation.type.startswith("constexpr_"):
        for argument in operation.inputs.values():
            yield from (b.value for b in argument.arguments if b.WhichOneof("binding") == "value")


def _operations(protobuf: Any) -> Iterator[Any]:
    for function in protobuf.mlProgram.functions.values():
        for block in function.block_specializations.values():
            yield from block.operations
