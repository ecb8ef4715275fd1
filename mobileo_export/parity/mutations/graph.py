"""A saved package's graph, to search with the evaluator's eyes and to edit in its own protobuf."""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlpackage import expansion, schema
from mobileo_export.artifacts.mlpackage.blob import pack
from mobileo_export.artifacts.mlpackage.decode import decode
from mobileo_export.artifacts.mlpackage.limits import Limits
from mobileo_export.artifacts.mlpackage.package import open_package
from mobileo_export.artifacts.mlpackage.program import Constant, Op
from mobileo_export.compression import exact
from mobileo_export.compression.schemes import Scheme, compress
from mobileo_export.parity.mutations.package_file import Patch
from mobileo_export.parity.stored_values.package_graph import read_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Operations that move values without mixing them: what enters at a place leaves at another.
CARRIERS = frozenset(
    {"cast", "expand_dims", "reshape", "slice_by_index", "split", "squeeze", "transpose"}
)
_RECORD = struct.Struct("<IIQQQ")  # a blob's metadata record, see runtimes/mil/blob.py


class EditedGraph:
    """The default function of one package, and the edits that were made to it.

    Edits are collected; nothing is written until :meth:`patch` is put into a copy.
    """

    def __init__(self, path: Path) -> None:
        """Read the package at ``path``.

        Raises:
            BundleError: it is damaged or holds no ML Program.
            UsageError: there is nothing at ``path``.
        """
        self._package = open_package(path)
        program = decode(self._package, Limits())
        function = program.functions[program.default]
        self.outputs = function.block.outputs
        self.inputs = tuple(value.name for value in function.inputs)
        operations = path.with_suffix(".operations.json")
        self._origins = read_map(operations) if operations.is_file() else {}
        self._operations = {op.outputs[0].name: op for op in function.block.ops}
        self._constants = expansion.constants(function.block)
        self.ops = expansion.operations(function.block)
        self._default = program.default
        self._places = {op.outputs[0].name: i for i, op in enumerate(function.block.ops)}
        self._begin()

    def _begin(self) -> None:
        """Without an edit."""
        self._model = schema.model_pb2().Model()
        self._model.ParseFromString(self._package.model.read_bytes())
        self._model_changed = False
        self._inserted = 0  # operations, before all others
        self._pieces: dict[str, list[tuple[int, bytes]]] = {}

    def unedited(self) -> EditedGraph:
        """The same package as it was, for other edits: most of it need not be read again."""
        other = copy.copy(self)
        other._begin()
        return other

    # --- looking

    def op(self, name: str) -> Op:
        """The operation whose first output is ``name``."""
        return self._operations[name]

    def module(self, op: Op) -> str:
        """Torch module that the operation came from; "" when the export left no map."""
        origin = self._origins.get(op.outputs[0].name)
        return "" if origin is None else origin.module

    def constant(self, op: Op, parameter: str) -> Constant | None:
        """The constant that ``op`` takes as ``parameter``, if it takes one."""
        arguments = op.inputs.get(parameter, ())
        if len(arguments) != 1:
            return None
        argument = arguments[0]
        found = self._constants.get(argument) if isinstance(argument, str) else argument
        return found if isinstance(found, Constant) else None

    def values(self, op: Op, parameter: str) -> NDArray[Any]:
        """A copy of the constant :meth:`constant` finds; raises KeyError when there is none."""
        constant = self.constant(op, parameter)
        if constant is None:
            raise KeyError(f"{op} has no constant {parameter!r}")
        return constant.array().copy()

    def number(self, op: Op, parameter: str) -> float | None:
        """The value of a floating constant of one element, else None."""
        constant = self.constant(op, parameter)
        if constant is None or constant.type.dtype.kind != "float" or constant.size != 1:
            return None
        return float(constant.array().reshape(-1)[0])

    @cached_property
    def _users(self) -> dict[str, list[tuple[Op, str]]]:
        users: dict[str, list[tuple[Op, str]]] = {}
        for op in self.ops:
            for parameter, arguments in op.inputs.items():
                for argument in arguments:
                    if isinstance(argument, str):
                        users.setdefault(argument, []).append((op, parameter))
        return users

    def users(self, name: str) -> list[tuple[Op, str]]:
        """Operations that take the value ``name``, each with the parameter it takes it as."""
        return self._users.get(name, [])

    def arrivals(self, op: Op) -> Iterator[tuple[Op, str]]:
        """Where the results of ``op`` go once they have passed every :data:`CARRIERS` operation."""
        for output in op.outputs:
            for user, parameter in self.users(output.name):
                if user.kind in CARRIERS:
                    yield from self.arrivals(user)
                else:
                    yield user, parameter

    # --- editing

    def store(self, op: Op, parameter: str, values: NDArray[Any]) -> None:
        """Give the constant ``parameter`` of ``op`` other values of the same shape and type.

        A constant that several operations share changes for all of them.
        """
        old = self.values(op, parameter)
        new = np.ascontiguousarray(values, old.dtype).reshape(old.shape)
        constant = self.constant(op, parameter)
        if isinstance(constant, expansion.Expanded):
            self._store_expanded(self.expands(op, parameter), constant, new)
            return
        if constant is not None and constant.type.dtype.packed:
            old, new = constant.stored, pack(new, constant.type.dtype)
        holder = self._value(op, parameter)
        if holder.WhichOneof("value") == "blobFileValue":
            blob = holder.blobFileValue
            file = self._package.blob(blob.fileName)
            with file.open("rb") as stream:
                stream.seek(blob.offset)
                start = _RECORD.unpack(stream.read(_RECORD.size))[3]
            name = file.relative_to(self._package.root).as_posix()
            self._pieces.setdefault(name, []).extend(_changed(old, new, start))
            return
        tensor = holder.immediateValue.tensor
        field = tensor.WhichOneof("value")
        if field == "bytes":
            tensor.bytes.values = new.tobytes()
        else:
            getattr(tensor, field).values[:] = new.reshape(-1).tolist()
        self._model_changed = True

    def expands(self, op: Op, parameter: str) -> Op:
        """The operation that expands the constant ``parameter`` of ``op`` from what is stored."""
        return self.op(str(op.inputs[parameter][0]))

    def _store_expanded(
        self, expands: Op, constant: expansion.Expanded, values: NDArray[Any]
    ) -> None:
        """In the form that is there, as near as it comes."""
        if constant.elements.type.dtype.kind == "float":
            scale = self.values(expands, "scale")
            with np.errstate(over="ignore"):
                data = (values / scale).astype(np.float16)
            if not np.array_equal(data * scale, values, equal_nan=True):
                data, scale[...] = exact.nearest(values)
            parts = {"data": data, "scale": scale}
        else:
            made = compress(values, _scheme(constant))
            elements = "data" if constant.kind == expansion.SHIFT_SCALE else "indices"
            every = {"scale": made.scale, "offset": made.zero_point, "lut": made.table}
            held = {name: part for name, part in every.items() if part is not None}
            parts = {elements: made.data, **held}
        for name, part in parts.items():
            self.store(expands, name, part)

    def set_number(self, op: Op, parameter: str, number: float) -> None:
        """Give ``op`` alone another number: the constant may be that of other operations too."""
        constant = self.constant(op, parameter)
        if constant is None:
            raise KeyError(f"{op} has no constant {parameter!r}")
        declared = self._value(op, parameter).type
        argument = self.spec(op).inputs[parameter]
        value = schema.mil_pb2().Value()
        value.type.CopyFrom(declared)
        stored = np.full(constant.shape, number, constant.type.dtype.storage)
        if constant.type.dtype.name == "fp16":
            value.immediateValue.tensor.bytes.values = stored.tobytes()
        else:
            value.immediateValue.tensor.floats.values.extend(stored.reshape(-1).tolist())
        del argument.arguments[:]
        argument.arguments.add().value.CopyFrom(value)

    def spec(self, op: Op) -> Any:
        """The protobuf of ``op``, which the caller is going to change."""
        self._model_changed = True
        return self._spec(op.outputs[0].name)

    def add_to(self, name: str, amount: float) -> None:
        """Insert an addition of ``amount`` between the input ``name`` and whatever takes it."""
        function = self._model.mlProgram.functions[self._default]
        block = function.block_specializations[function.opset]
        (declared,) = (value for value in function.inputs if value.name == name)
        changed = f"{name}_mutated"
        for operation in block.operations:
            for argument in operation.inputs.values():
                for binding in argument.arguments:
                    if binding.WhichOneof("binding") == "name" and binding.name == name:
                        binding.name = changed
        addition = schema.mil_pb2().Operation(type="add")
        addition.inputs["x"].arguments.add().name = name
        number = addition.inputs["y"].arguments.add().value
        number.type.tensorType.dataType = declared.type.tensorType.dataType
        number.immediateValue.tensor.floats.values.append(amount)
        output = addition.outputs.add()
        output.name = changed
        output.type.CopyFrom(declared.type)
        block.operations.insert(0, addition)
        self._inserted += 1
        self._model_changed = True

    def patch(self) -> Patch:
        """All edits as bytes."""
        contents = {}
        if self._model_changed:
            name = self._package.model.relative_to(self._package.root).as_posix()
            contents[name] = self._model.SerializeToString(deterministic=True)
        return Patch(contents, {name: tuple(pieces) for name, pieces in self._pieces.items()})

    def _value(self, op: Op, parameter: str) -> Any:
        """The protobuf value of a constant; of an immediate one the caller changes it."""
        binding = self._spec(op.outputs[0].name).inputs[parameter].arguments[0]
        if binding.WhichOneof("binding") == "value":
            return binding.value
        return self._spec(binding.name).attributes["val"]

    def _spec(self, name: str) -> Any:
        function = self._model.mlProgram.functions[self._default]
        block = function.block_specializations[function.opset]
        return block.operations[self._inserted + self._places[name]]


def _scheme(constant: expansion.Expanded) -> Scheme:
    """That makes such a form."""
    bits, shape = constant.elements.type.dtype.bits, constant.shape
    if constant.kind == expansion.LOOK_UP:
        groups = constant.parts["lut"].shape[0]
        return Scheme("palette", bits, rows=shape[0] // groups if groups > 1 else None)
    blocks = constant.parts["scale"].shape[1]
    block = shape[1] // blocks if blocks > 1 else None
    return Scheme("int", bits, block, zero_point="offset" in constant.parts)


def _changed(old: NDArray[Any], new: NDArray[Any], start: int) -> Iterator[tuple[int, bytes]]:
    """Runs of elements whose bytes differ, with their position in the file."""
    width = old.itemsize
    bits = f"u{width}"
    places = np.flatnonzero(old.reshape(-1).view(bits) != new.reshape(-1).view(bits))
    if places.size == 0:
        return
    # Gaps shorter than a page are written along: fewer pieces.
    cuts = np.flatnonzero(np.diff(places) > 4096 // width) + 1
    flat = new.reshape(-1)
    for run in np.split(places, cuts):
        first, last = int(run[0]), int(run[-1])
        yield start + first * width, flat[first : last + 1].tobytes()
