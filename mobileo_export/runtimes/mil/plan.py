"""Compile a function's operations to steps.

Compiling checks the census (every operation and parameter has a kernel that takes it), binds
constants to parameters, moves the expansion of compressed weights to just before their first use,
and finds after which step each value is last used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlpackage.program import Constant, Literal, TensorType
from mobileo_export.errors import BundleError, RuntimeUnavailableError

from .ops import KERNELS, Kernel, Parameter, deliver, tensor
from .values import SMALL, Declared, Weight

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mobileo_export.artifacts.mlpackage.program import Block, Function, Op

Values = dict[str, Any]

# Operations of MIL that are deliberately not executed; other unknown names are damage.
_RANDOM = "Core ML's random numbers cannot be reproduced"
_ABSENT = "no component needs it"
_NOT_EXECUTED = {
    "classify": "class labels are an affair of the application",
    "conv_quantized": "it was never part of a shipped opset",
    "custom_layer": "its code is not in the package",
    "gru": _ABSENT,
    "lstm": _ABSENT,
    "non_maximum_suppression": _ABSENT,
    "random_bernoulli": _RANDOM,
    "random_categorical": _RANDOM,
    "random_normal": _RANDOM,
    "random_uniform": _RANDOM,
    "rnn": _ABSENT,
}


@dataclass(frozen=True, eq=False)
class Operand:
    """Where a parameter's argument comes from: names of values, weights, or a ready value."""

    name: str
    kind: str
    sources: tuple[str | Weight, ...] = ()
    ready: Any = None

    def fetch(self, values: Values) -> Any:
        """The argument as the kernel wants it.

        Raises:
            ValueError: a value is none that it takes; one of ``ops.REFUSALS``, as torch says it.
        """
        if not self.sources:
            return self.ready
        if self.kind == "Tensor":  # almost all; asked for hundreds of times in a run
            return tensor(_fetched(self.sources[0], values))
        fetched = tuple(_fetched(source, values) for source in self.sources)
        if self.kind not in ("Anything", "Values"):
            fetched = tuple(map(tensor, fetched))
        if self.kind == "Anything":
            return fetched[0]
        if self.kind in ("Tensors", "Values"):
            return fetched
        if len(fetched) > 1:
            return [item for value in fetched for item in deliver(self.kind, value)]
        return deliver(self.kind, fetched[0])


def _fetched(source: str | Weight, values: Values) -> Any:
    return values[source] if isinstance(source, str) else source.tensor()


@dataclass(frozen=True, eq=False)
class Step:
    """One operation, ready to run; ``releases`` are the values it is the last to use.

    ``results`` are the types of its outputs, None of what is no tensor; ``halves`` says that some
    of them are rounded to half precision. ``expanded`` takes the results of one that expands a
    small weight, for all further runs; None where they may differ from run to run, or are large.
    """

    op: Op
    kernel: Kernel
    operands: tuple[Operand, ...]
    blocks: tuple[CompiledBlock, ...]
    results: tuple[Declared | None, ...]
    halves: bool
    expanded: list[tuple[Any, ...]] | None
    releases: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CompiledBlock:
    """Steps in order; ``captured`` are the outer values an inner block reads."""

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str | Weight, ...]
    captured: tuple[str, ...]


class Compiler:
    """Compiles one function."""

    def __init__(self, package: str, function: Function) -> None:
        self._where = f"{package}, function {function.name!r}"
        self._function = function
        self._weights: dict[Constant, Weight] = {}
        self._constants: dict[str, Constant | Literal] = {}

    def compile(self) -> CompiledBlock:
        """The function's block.

        Raises:
            RuntimeUnavailableError: it holds operations that are not executed here.
            BundleError: it holds what is no operation of MIL, or arguments no operation takes.
        """
        self._census()
        return self._block(self._function.block)

    def _census(self) -> None:
        """Refuse the first operation that has no kernel, and name the others."""
        missing: dict[str, Op] = {}
        for op in self._function.block.walk():
            if op.kind != "const" and op.kind not in KERNELS:
                missing.setdefault(op.kind, op)
        if not missing:
            return
        unknown = [kind for kind in missing if kind not in _NOT_EXECUTED]
        kind = unknown[0] if unknown else next(iter(missing))
        others = ", ".join(sorted(missing.keys() - {kind}))
        rest = f" (nor are {others})" if others else ""
        if unknown:
            raise BundleError(f"{self._where}: {missing[kind]} is not a known operation{rest}")
        raise RuntimeUnavailableError(
            f"{self._where}: {missing[kind]} is not executed here: {_NOT_EXECUTED[kind]}{rest}"
        )

    def _block(self, block: Block) -> CompiledBlock:
        outer = self._constants
        self._constants = outer | self._declared(block)
        try:
            return self._compiled(block)
        finally:
            self._constants = outer

    def _declared(self, block: Block) -> dict[str, Constant | Literal]:
        """The constants a block defines."""
        constants = {}
        for op in block.ops:
            if op.kind == "const":
                value = op.inputs["val"][0]
                if isinstance(value, str):
                    raise BundleError(f"{self._where}: {op} is not constant")
                constants[op.outputs[0].name] = value
        return constants

    def _compiled(self, block: Block) -> CompiledBlock:
        steps = [self._step(op) for op in _scheduled(block)]
        outputs = tuple(self._source(name) for name in block.outputs)
        captured = tuple(sorted(name for name in block.free_names() if name not in self._constants))
        defined = {value.name for value in block.inputs}.union(
            output.name for step in steps for output in step.op.outputs
        )
        return CompiledBlock(
            tuple(value.name for value in block.inputs),
            tuple(_with_releases(steps, defined.union(captured), outputs)),
            outputs,
            captured,
        )

    def _step(self, op: Op) -> Step:
        kernel = KERNELS[op.kind]
        unknown = [name for name in op.inputs if name not in kernel.parameters]
        absent = [
            name
            for name, parameter in kernel.parameters.items()
            if parameter.required and not op.inputs.get(name)
        ]
        if unknown or absent:
            problem = f"takes no {unknown[0]!r}" if unknown else f"lacks {absent[0]!r}"
            raise BundleError(f"{self._where}: {op} {problem}")
        operands = tuple(
            self._operand(op, name, kernel.parameters[name])
            for name, arguments in op.inputs.items()
            if arguments
        )
        blocks = tuple(self._block(block) for block in op.blocks)
        results = tuple(
            Declared(output.type) if isinstance(output.type, TensorType) else None
            for output in op.outputs
        )
        halves = any(declared.half for declared in results if declared is not None)
        expanded: list[tuple[Any, ...]] | None = [] if _expands_small(op, operands) else None
        return Step(op, kernel, operands, blocks, results, halves, expanded)

    def _operand(self, op: Op, name: str, parameter: Parameter) -> Operand:
        arguments = op.inputs[name]
        keyword = name + "_" if name == "input" else name
        if parameter.kind == "Unused":
            return Operand(keyword, parameter.kind)
        if parameter.kind not in ("Tensors", "Values", "Ints", "Bools") and len(arguments) != 1:
            raise BundleError(f"{self._where}: {op} has {len(arguments)} arguments for {name!r}")
        first = arguments[0]
        constant = self._constants.get(first) if isinstance(first, str) else first
        if parameter.scalar and len(arguments) == 1 and constant is not None:
            return Operand(
                keyword, parameter.kind, ready=self._scalar(op, name, parameter, constant)
            )
        if parameter.kind == "str":
            raise BundleError(f"{self._where}: {op} needs a constant {name!r}")
        sources = tuple(self._source(argument) for argument in arguments)
        return Operand(keyword, parameter.kind, sources)

    def _scalar(self, op: Op, name: str, parameter: Parameter, value: Constant | Literal) -> Any:
        try:
            if isinstance(value, Literal):
                raise TypeError("a list")
            if parameter.kind == "str":
                text = value.array().item()
                if not isinstance(text, str):
                    raise TypeError("not a string")
                return text
            return deliver(parameter.kind, Weight(value).tensor())
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise BundleError(
                f"{self._where}: {op} cannot take its constant {name!r} as {parameter.kind}"
            ) from error

    def _source(self, argument: str | Constant | Literal) -> str | Weight:
        if isinstance(argument, str):
            if argument not in self._constants:
                return argument
            argument = self._constants[argument]
        return self._weight(argument)

    def _weight(self, value: Constant | Literal) -> Weight:
        if isinstance(value, Literal) or value.type.dtype.kind == "string":
            raise BundleError(f"{self._where}: a list or string stands where a tensor is needed")
        if value not in self._weights:
            self._weights[value] = Weight(value)
        return self._weights[value]


def _expands_small(op: Op, operands: Iterable[Operand]) -> bool:
    """Whether a weight is expanded to no more than is worth keeping, from constants alone."""
    sources = [source for operand in operands for source in operand.sources]
    return (
        op.kind.startswith("constexpr_")
        and not any(isinstance(source, str) for source in sources)
        and all(
            isinstance(output.type, TensorType)
            and output.type.shape is not None
            and 4 * math.prod(size or SMALL for size in output.type.shape) <= SMALL
            for output in op.outputs
        )
    )


def _scheduled(block: Block) -> list[Op]:
    """Operations in order, each weight expansion just before the first operation that needs it."""
    ops = [op for op in block.ops if op.kind != "const"]
    first_use = dict.fromkeys(block.outputs, len(ops))
    order: list[tuple[int, bool, int]] = []
    for index, op in reversed(list(enumerate(ops))):
        place, expands = index, op.kind.startswith("constexpr_")
        if expands:
            uses = [first_use[output.name] for output in op.outputs if output.name in first_use]
            if not uses:
                continue
            place = min(uses)
        for name in (*op.references(), *_inner_names(op)):
            first_use[name] = min(first_use.get(name, place), place)
        order.append((place, not expands, index))
    return [ops[index] for _, _, index in sorted(order)]


def _inner_names(op: Op) -> Iterable[str]:
    for block in op.blocks:
        yield from block.free_names()


def _with_releases(
    steps: list[Step], owned: set[str], outputs: tuple[str | Weight, ...]
) -> Iterable[Step]:
    """Steps that also say which values may be dropped after them."""
    last: dict[str, int] = {}
    for index, step in enumerate(steps):
        for output in step.op.outputs:
            last[output.name] = index
        for operand in step.operands:
            last.update((source, index) for source in operand.sources if isinstance(source, str))
        for inner in step.blocks:
            last.update((name, index) for name in inner.captured)
    kept = set(outputs)
    releases: list[list[str]] = [[] for _ in steps]
    for name, index in last.items():
        if name in owned and name not in kept:
            releases[index].append(name)
    for step, names in zip(steps, releases, strict=True):
        yield replace(step, releases=tuple(names))
