"""From the protobuf of a package to :mod:`program`'s plain data, rejecting what makes no sense."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlpackage.blob import BlobFile
from mobileo_export.artifacts.mlpackage.dtypes import BY_CODE, DType
from mobileo_export.artifacts.mlpackage.program import (
    Argument,
    Block,
    Constant,
    Function,
    ListType,
    Literal,
    Named,
    Op,
    Program,
    StateType,
    TensorType,
    ValueType,
)
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlpackage.limits import Limits
    from mobileo_export.artifacts.mlpackage.package import Package

# Which field of ``TensorValue`` holds immediate elements of a type, other than raw ``bytes``.
_FIELDS = {
    "bool": "bools",
    "string": "strings",
    "fp32": "floats",
    "fp64": "doubles",
    "int16": "ints",
    "uint16": "ints",
    "int32": "ints",
    "uint32": "ints",
    "int64": "longInts",
    "uint64": "longInts",
}
_SUPPORTED_VERSION = 1


def decode(package: Package, limits: Limits) -> Program:
    """Read the program of ``package``; weights stay in their mapped file.

    Raises:
        BundleError: the package is damaged, or holds no ML Program.
    """
    model = package.parse()
    if model.WhichOneof("Type") != "mlProgram":
        raise BundleError(
            f"{package.name}: holds {model.WhichOneof('Type') or 'no model'}, not an ML Program; "
            "convert it again with coremltools 6 or newer"
        )
    return _Decoder(package, limits).program(model)


class _Decoder:
    """Walks one model; knows the package for messages and opens each weight file once."""

    def __init__(self, package: Package, limits: Limits) -> None:
        self._package = package
        self._limits = limits
        self._blobs: dict[str, BlobFile] = {}
        self._types: dict[bytes, TensorType] = {}  # of which a program has few

    def program(self, model: Any) -> Program:
        spec = model.mlProgram
        if spec.version != _SUPPORTED_VERSION:
            raise self._error(f"ML Program version {spec.version} is not supported")
        functions = {name: self._function(name, f) for name, f in sorted(spec.functions.items())}
        description = model.description
        default = description.defaultFunctionName or "main"
        if default not in functions:
            raise self._error(f"the default function {default!r} does not exist")
        version = int(model.specificationVersion)
        return Program(self._package.name, functions, default, description, version)

    def _error(self, message: str) -> BundleError:
        return BundleError(f"{self._package.name}: {message}")

    def _function(self, name: str, spec: Any) -> Function:
        if spec.opset not in spec.block_specializations:
            raise self._error(f"function {name!r} has no block for its opset {spec.opset!r}")
        inputs = tuple(self._named(value) for value in spec.inputs)
        return Function(
            self._text(name),
            spec.opset,
            inputs,
            self._block(spec.block_specializations[spec.opset]),
        )

    def _block(self, spec: Any) -> Block:
        return Block(
            tuple(self._named(value) for value in spec.inputs),
            tuple(self._op(op) for op in spec.operations),
            tuple(spec.outputs),
        )

    def _op(self, spec: Any) -> Op:
        outputs = tuple(self._named(value) for value in spec.outputs)
        name = self._op_name(spec) or (outputs[0].name if outputs else spec.type)
        inputs: dict[str, tuple[Argument, ...]] = {
            # Constants and (before iOS 18) compressed weights keep their data in attributes.
            # By name: a map of protobuf has another order in every process, a message must not.
            key: (self._value(value, f"{name}.{key}"),)
            for key, value in sorted(spec.attributes.items())
            if key != "name"
        }
        for key, argument in sorted(spec.inputs.items()):
            inputs[key] = tuple(
                binding.name
                if binding.WhichOneof("binding") == "name"
                else self._value(binding.value, f"{name}.{key}")
                for binding in argument.arguments
            )
        blocks = tuple(self._block(block) for block in spec.blocks)
        return Op(self._text(spec.type), self._text(name), inputs, outputs, blocks)

    @staticmethod
    def _op_name(spec: Any) -> str:
        if "name" not in spec.attributes:
            return ""
        strings = spec.attributes["name"].immediateValue.tensor.strings.values
        return str(strings[0]) if strings else ""

    def _named(self, spec: Any) -> Named:
        return Named(self._text(spec.name), self._type(spec.type, spec.name))

    def _text(self, name: str) -> str:
        """A name, which messages may print: no line breaks, no terminal control."""
        if not name.isprintable():
            raise self._error(f"the name {name!r} holds control characters")
        return name

    def _type(self, spec: Any, where: str) -> ValueType:
        match spec.WhichOneof("type"):
            case "tensorType":
                stated = spec.SerializeToString()
                if stated not in self._types:
                    self._types[stated] = self._tensor_type(spec.tensorType, where)
                return self._types[stated]
            case "stateType":
                wrapped = self._type(spec.stateType.wrappedType, where)
                if not isinstance(wrapped, TensorType):
                    raise self._error(f"state {where!r} does not hold a tensor")
                return StateType(wrapped)
            case "listType":
                element = self._type(spec.listType.type, where)
                return ListType(element if isinstance(element, TensorType) else None)
            case _:
                return None

    def _tensor_type(self, spec: Any, where: str) -> TensorType:
        dtype = BY_CODE.get(spec.dataType)
        if dtype is None:
            raise self._error(f"{where!r} has the unsupported element type {spec.dataType}")
        if spec.rank != len(spec.dimensions):
            raise self._error(
                f"{where!r} declares rank {spec.rank} and {len(spec.dimensions)} sizes"
            )
        shape: list[int | None] = []
        for dimension in spec.dimensions:
            if dimension.WhichOneof("dimension") == "constant":
                shape.append(int(dimension.constant.size))
            elif dimension.unknown.variadic:
                return TensorType(dtype, None)
            else:
                shape.append(None)
        declared = TensorType(dtype, tuple(shape))
        limit = self._limits.value_bytes
        # A size of 0 elsewhere in the shape would hide one that no tensor can have.
        if max(declared.least_bytes, *(size or 0 for size in shape), 0) > limit:
            raise self._error(
                f"{where!r} of type {declared} would take {declared.least_bytes:,} bytes "
                f"(limit {limit:,})"
            )
        return declared

    def _value(self, spec: Any, where: str) -> Constant | Literal:
        declared = self._type(spec.type, where)
        if not isinstance(declared, TensorType):
            return Literal(self._plain(spec, where))
        if declared.shape is None or None in declared.shape:
            raise self._error(f"constant {where!r} has a run-time size")
        elements = math.prod(size or 0 for size in declared.shape)
        if spec.WhichOneof("value") == "blobFileValue":
            blob = spec.blobFileValue
            if blob.fileName not in self._blobs:
                path = self._package.blob(blob.fileName)
                self._blobs[blob.fileName] = BlobFile(path, self._package.name)
            stored = self._blobs[blob.fileName].read(blob.offset, declared.dtype, elements)
            return Constant(declared, stored, (blob.fileName, blob.offset))
        return Constant(
            declared, self._immediate(spec.immediateValue, declared.dtype, elements, where)
        )

    def _immediate(self, spec: Any, dtype: DType, elements: int, where: str) -> Any:
        field = spec.tensor.WhichOneof("value")
        values = getattr(spec.tensor, field).values if field else ()
        if field == "bytes":
            if len(values) != dtype.nbytes(elements) or dtype.kind in ("bool", "string"):
                raise self._error(f"constant {where!r} does not hold {elements} x {dtype.name}")
            return np.frombuffer(bytearray(values), dtype.storage)
        if len(values) != elements or (elements and field != _FIELDS.get(dtype.name)):
            raise self._error(f"constant {where!r} does not hold {elements} x {dtype.name}")
        try:
            return np.array(values, dtype.storage)
        except (OverflowError, ValueError) as error:
            raise self._error(f"constant {where!r} does not fit {dtype.name}") from error

    def _plain(self, spec: Any, where: str) -> Any:
        """Lists and dictionaries (class labels): Python values."""
        value = spec.immediateValue
        match value.WhichOneof("value"):
            case "list":
                return [self._item(item, where) for item in value.list.values]
            case "dictionary":
                return {
                    self._item(pair.key, where): self._item(pair.value, where)
                    for pair in value.dictionary.values
                }
            case _:
                return None

    def _item(self, spec: Any, where: str) -> Any:
        value = self._value(spec, where)
        if isinstance(value, Literal):
            raise self._error(f"{where!r} nests lists")
        return value.array().item() if value.shape == () else value.array()
