"""What a written graph must look like, checked on the files before they are sealed.

Names, dtypes and dimensions of the signature, opset and IR version, operators that every board
reads, weights inside their one file, and the ONNX checker with shape inference. Numbers are not
looked at here: that is parity's part.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from mobileo_export.bundle.manifest import EXTERNAL_DATA
from mobileo_export.components import Dim, TensorSpec
from mobileo_export.converters.base import require
from mobileo_export.converters.onnx import tensorrt_operators
from mobileo_export.converters.onnx.tracing import IR_VERSION, OPSET
from mobileo_export.errors import first_line

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.converters.onnx.graphs import GraphSpec

_CODES = {"float32": 1, "float16": 10, "int32": 6}  # onnx.TensorProto.DataType
_FLOATS = frozenset({_CODES["float32"], _CODES["float16"]})


def check(path: Path, spec: GraphSpec) -> Counter[str]:
    """How many operators of each type ``path`` has, once nothing is wrong with it.

    Raises:
        ConversionError: at the first thing that is not as ``spec`` says.
    """
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    found = (model.ir_version, [(opset.domain, opset.version) for opset in model.opset_import])
    require(found == (IR_VERSION, [("", OPSET)]), spec.name, f"IR version and opset are {found}")
    _check_values(model.graph.input, spec.inputs, spec, "input")
    _check_values(model.graph.output, spec.outputs, spec, "output")
    for board in tensorrt_operators.BOARDS:
        problem = next(tensorrt_operators.problems(model, board), None)
        require(problem is None, spec.name, str(problem))
    _check_weights(model.graph.initializer, path, spec)
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        require(False, spec.name, f"the ONNX checker says: {first_line(error)}")
    return Counter(node.op_type for node in model.graph.node)


def _check_values(values: Any, tensors: tuple[TensorSpec, ...], spec: GraphSpec, kind: str) -> None:
    wanted, found = [tensor.name for tensor in tensors], [value.name for value in values]
    require(found == wanted, spec.name, f"{kind}s are {found}, expected {wanted}")
    for value, tensor in zip(values, tensors, strict=True):
        described = value.type.tensor_type
        is_dtype = described.elem_type == _CODES[tensor.dtype]
        require(is_dtype, spec.name, f"{tensor.name} is not {tensor.dtype}")
        shape = [dim.dim_param or dim.dim_value for dim in described.shape.dim]
        named = [dim.name if isinstance(dim, Dim) else dim for dim in tensor.shape]
        require(shape == named, spec.name, f"{tensor.name} is {shape}, expected {named}")


def _check_weights(tensors: Any, path: Path, spec: GraphSpec) -> None:
    data = path.with_name(path.name + EXTERNAL_DATA)
    size, end = data.stat().st_size, 0
    for tensor in tensors:
        if not tensor.external_data:
            continue
        entry = {item.key: item.value for item in tensor.external_data}
        require(entry["location"] == data.name, spec.name, f"weights lie in {entry['location']}")
        offset = int(entry["offset"])
        require(offset >= end, spec.name, f"{tensor.name} overlaps another weight")
        end = offset + int(entry["length"])
        require(tensor.data_type in _FLOATS, spec.name, f"{tensor.name} is no float weight")
    require(0 < end == size, spec.name, f"weights end at {end} of {size} bytes")
