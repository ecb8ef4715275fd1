"""A package's graph with its operation map: which value is which torch module's output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import json_file
from mobileo_export.artifacts.mlpackage import expansion
from mobileo_export.artifacts.mlpackage.decode import decode
from mobileo_export.artifacts.mlpackage.limits import Limits
from mobileo_export.artifacts.mlpackage.package import open_package
from mobileo_export.artifacts.mlpackage.program import Constant, Op
from mobileo_export.artifacts.mlpackage.verify import verify
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class OperationOrigin:
    """The torch module that an operation was lowered from."""

    module: str
    module_type: str


@dataclass(frozen=True)
class ModuleOutput:
    """A value that is the output of the ``call``-th call of a module."""

    module: str
    module_type: str
    call: int


@dataclass(frozen=True)
class ConstantOf:
    """A constant operand of an operation."""

    parameter: str  # of the operation: weight, bias, gamma, y, …
    name: str  # of the constant
    constant: Constant

    @property
    def values(self) -> NDArray[Any]:
        """The elements in shape; a view."""
        return self.constant.array()


class PackageGraph:
    """The operations of a package's default function, with their origins.

    Attributes:
        ops: every operation but constants, in order.
        origins: by first output name.
        targets: module outputs by the name of the value that holds them.
    """

    def __init__(self, ops: tuple[Op, ...], constants: Mapping[str, Constant], outputs: set[str],
                 origins: Mapping[str, OperationOrigin]) -> None:  # fmt: skip
        self.ops = ops
        self.origins = dict(origins)
        self._constants = constants
        self._outputs = outputs
        self.producer = {out.name: op for op in ops for out in op.outputs}
        self.consumers: dict[str, list[Op]] = defaultdict(list)
        for op in ops:
            for name in op.references():
                self.consumers[name].append(op)
        for op in ops:  # what was added after the map was written belongs to what it reads
            if op.outputs[0].name not in self.origins:
                self.origins[op.outputs[0].name] = self._inherited(op)
        self.targets = self._targets()

    def origin(self, op: Op) -> OperationOrigin:
        """Where ``op`` comes from."""
        return self.origins[op.outputs[0].name]

    def constants(self, op: Op) -> list[ConstantOf]:
        """Tensor operands of ``op`` that the package stores."""
        found = []
        for parameter, arguments in op.inputs.items():
            for argument in arguments:
                if isinstance(argument, str) and argument in self._constants:
                    found.append(ConstantOf(parameter, argument, self._constants[argument]))
                elif isinstance(argument, Constant):
                    found.append(ConstantOf(parameter, f"{op.name}.{parameter}", argument))
        return found

    def operands(self, op: Op) -> list[str]:
        """Names of the values that ``op`` computes with, constants left out."""
        return [name for name in op.references() if name not in self._constants]

    def segment(self, value: str, known: set[str]) -> list[Op]:
        """The operations that make ``value`` out of ``known`` values, in program order."""
        wanted, stack = set(), [value]
        while stack:
            op = self.producer.get(stack.pop())
            if op is not None and op.outputs[0].name not in wanted:
                wanted.add(op.outputs[0].name)
                stack += [name for name in self.operands(op) if name not in known]
        return [op for op in self.ops if op.outputs[0].name in wanted]

    def _inherited(self, op: Op) -> OperationOrigin:
        for name in self.operands(op):
            if name in self.origins:
                return self.origins[name]
        return OperationOrigin("", "")

    def _targets(self) -> dict[str, list[ModuleOutput]]:
        """The last value that leaves a module's subtree is its output.

        A module that is called several times has several, made by operations of one kind.
        """
        inside: dict[str, list[Op]] = defaultdict(list)
        types: dict[str, str] = {}
        for op in self.ops:
            origin = self.origin(op)
            types[origin.module] = origin.module_type
            for path in lineage(origin.module):
                inside[path].append(op)
        targets: dict[str, list[ModuleOutput]] = defaultdict(list)
        for path, ops in inside.items():
            exits = [op for op in ops if self._leaves(op, path)]
            if not exits:
                continue
            again = len({op.kind for op in exits}) == 1 and all(
                self.origin(op).module == path for op in exits
            )
            for call, op in enumerate(exits if again else exits[-1:]):
                targets[op.outputs[0].name].append(ModuleOutput(path, types.get(path, ""), call))
        for entries in targets.values():  # the innermost module first
            entries.sort(key=lambda target: -len(target.module))
        return dict(targets)

    def _leaves(self, op: Op, path: str) -> bool:
        if len(op.outputs) != 1:
            return False
        name = op.outputs[0].name
        return name in self._outputs or any(
            not below(self.origin(user).module, path) for user in self.consumers[name]
        )


def lineage(module: str) -> list[str]:
    """``a.b.c``, ``a.b``, ``a`` and the reference itself, ``""``."""
    parts = module.split(".") if module else []
    return [".".join(parts[:count]) for count in range(len(parts), -1, -1)]


def below(module: str, path: str) -> bool:
    """Whether ``module`` is ``path`` or lies in it."""
    return not path or module == path or module.startswith(path + ".")


def load(package: Path, operation_map: Path) -> PackageGraph:
    """Read a package's graph and the map beside it.

    Raises:
        BundleError: one of them is missing, damaged or not what it should be.
    """
    program = decode(open_package(package), Limits())
    verify(program)
    function = program.functions[program.default]
    constants, outputs = expansion.constants(function.block), set(function.block.outputs)
    ops = expansion.operations(function.block)
    return PackageGraph(ops, constants, outputs, read_map(operation_map))


def read_map(path: Path) -> dict[str, OperationOrigin]:
    """The origins in an ``*.operations.json``.

    Raises:
        BundleError: it is missing or malformed.
    """
    try:
        content = json_file.load(path)
        return {
            name: OperationOrigin(str(entry["module"]), str(entry["module_type"]))
            for name, entry in content["operations"].items()
        }
    except FileNotFoundError:
        raise BundleError(
            f"{path}: missing; it says which torch module each operation came from: export again"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path}: not an operation map; export again") from error
