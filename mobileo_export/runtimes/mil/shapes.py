"""Follow a package's function without computing: the shapes of every operation, at any input size.

The evaluator's own plan and kernels run on tensors without values, so that what is told of a
package is what would be executed; weights are neither read nor expanded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mobileo_export.artifacts.mlpackage.decode import decode
from mobileo_export.artifacts.mlpackage.limits import Limits, enforcing
from mobileo_export.artifacts.mlpackage.package import open_package
from mobileo_export.artifacts.mlpackage.program import Constant, TensorType
from mobileo_export.artifacts.mlpackage.signature import Signature, describe
from mobileo_export.artifacts.mlpackage.verify import verify
from mobileo_export.errors import BundleError
from mobileo_export.runtimes.shapes import (
    Observe,
    ShapedOperation,
    ShapedValue,
    ShapesOnly,
    empty,
)

from .interpreter import Run
from .plan import CompiledBlock, Compiler, Step
from .runtime import function_of
from .values import Cell, Weight, carried, carrier

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .plan import Operand, Values

_WHOLE = frozenset(("Tensor", "Tensors", "Anything", "Values", "Unused"))  # no value is looked at
_SMALL = 1 << 12  # bytes of a constant that may say sizes; a larger one is a weight


class ShapedPackage:
    """The default function of a package, which can be followed.

    Attributes:
        signature: names, types and size ranges of inputs and outputs.
    """

    def __init__(self, path: Path) -> None:
        """Open the package ``path``.

        Raises:
            UsageError: there is no such package.
            BundleError: the package is damaged or holds no ML Program.
            RuntimeUnavailableError: it uses operations that are not executed here.
        """
        self._limits = Limits()
        program = decode(open_package(path), self._limits)
        verify(program)
        chosen = function_of(program, None)
        self.signature: Signature = describe(program, chosen)
        self._where = f"{program.package}, function {chosen.name!r}"
        self._block = _without_values(Compiler(program.package, chosen).compile())
        self._bits = {
            value.name: value.type.dtype.bits
            for value in (*chosen.inputs, *(o for op in chosen.block.walk() for o in op.outputs))
            if isinstance(value.type, TensorType)
        }

    def default_shapes(self) -> dict[str, tuple[int, ...]]:
        """A shape of every input: the package's default, else the smallest that is allowed."""
        return {
            feature.name: feature.default
            or (feature.shapes[0] if feature.shapes else None)
            or tuple(max(low, 1) for low, _ in feature.sizes)
            for feature in self.signature.inputs
        }

    def follow(
        self, shapes: Mapping[str, tuple[int, ...]], observe: Observe
    ) -> tuple[ShapedValue, ...]:
        """Call ``observe`` with every operation, for inputs of ``shapes``; the outputs.

        Raises:
            UsageError: the shapes do not fit the signature.
            BundleError: an operation cannot be executed on these shapes, or needs values.
        """
        dtypes = {f.name: f.dtype for f in self.signature.inputs}
        self.signature.check(
            {
                name: np.broadcast_to(np.zeros((), dtypes.get(name, "float32")), shape)
                for name, shape in shapes.items()
            }
        )
        with torch.inference_mode(), enforcing(self._limits), ShapesOnly():
            values: dict[str, Any] = {
                f.name: empty(shapes[f.name], carried(f.dtype)) for f in self.signature.inputs
            }
            for state in self.signature.states:
                sizes = [low for low, _ in state.sizes]
                values[state.name] = Cell(empty(sizes, carried(state.dtype)))
            made = _ShapeRun(self._where, self._bits, observe).block(self._block, values)
        return tuple(
            ShapedValue(feature.name, tensor, 8 * np.dtype(feature.dtype).itemsize)
            for feature, tensor in zip(self.signature.outputs, made, strict=True)
        )


class _Shaped(Weight):
    """A constant without its elements, unless it is small; ``stored`` are its bytes."""

    def __init__(self, constant: Constant) -> None:
        self.constant = constant
        dtype = constant.type.dtype
        self.bits, self.stored = dtype.bits, constant.stored.nbytes
        self.name = f"{constant.place}" if constant.place else f"constant {id(constant)}"
        small = self.stored <= _SMALL
        self._shape = (
            Weight(constant).tensor() if small else empty(constant.shape, carrier(dtype.carrier))
        )

    def tensor(self) -> torch.Tensor:
        """The constant, or a tensor of its shape."""
        return self._shape


class _ShapeRun(Run):
    """A run that tells every operation's shapes, and computes small integers only."""

    def __init__(self, where: str, bits: Mapping[str, int], observe: Observe) -> None:
        super().__init__(where)
        self._bits = bits
        self._observe = observe

    def _step(self, step: Step, values: Values) -> tuple[Any, ...]:
        expands = step.op.kind.startswith("constexpr_")
        self._check_known(step, values)
        results = _declared(step) if expands else super()._step(step, values)
        given = tuple(
            self._value(source, values, operand.name.rstrip("_"))
            for operand in step.operands
            for source in operand.sources
            if not isinstance(source, str) or isinstance(values[source], torch.Tensor)
        )
        made = {
            output.name: result
            for output, result in zip(step.op.outputs, results, strict=True)
            if isinstance(result, torch.Tensor)
        }
        told = tuple(self._value(name, made) for name in made)
        kept = tuple(
            self._value(name, values) for name in values if isinstance(values[name], torch.Tensor)
        )
        settings = {o.name.rstrip("_"): o.ready for o in step.operands if not o.sources}
        op = step.op
        self._observe(ShapedOperation(op.name, op.kind, given, told, settings, (*kept, *told)))
        return results

    def _check_known(self, step: Step, values: Values) -> None:
        """Raise BundleError where sizes, axes or branches are taken from what is not known."""
        for operand in step.operands:
            if operand.kind in _WHOLE or step.op.kind.startswith("constexpr_"):
                continue
            for source in operand.sources:
                value = values[source] if isinstance(source, str) else source.tensor()
                if isinstance(value, torch.Tensor) and value.is_meta:
                    raise BundleError(
                        f"{self.where}: {step.op} takes {operand.name.rstrip('_')!r} from values "
                        "that only a run has: its shapes are not known without one"
                    )

    def _value(
        self, source: str | Weight, values: Mapping[str, Any], parameter: str = ""
    ) -> ShapedValue:
        if isinstance(source, _Shaped):
            return ShapedValue(source.name, source.tensor(), source.bits, source.stored, parameter)
        name = str(source)
        tensor = values[name]
        return ShapedValue(name, tensor, self._bits.get(name, 8 * tensor.itemsize), None, parameter)

    def _rounded(
        self, step: Step, values: tuple[Any, ...], arguments: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        return values  # there is nothing to round


def _declared(step: Step) -> tuple[Any, ...]:
    """What an expansion of stored weights gives: tensors of the declared types."""
    found = []
    for output in step.op.outputs:
        kind = output.type
        assert isinstance(kind, TensorType)
        shape = [size or 0 for size in kind.shape or ()]
        found.append(empty(shape, carrier(kind.dtype.carrier)))
    return tuple(found)


def _without_values(block: CompiledBlock) -> CompiledBlock:
    """The block with its constants replaced; one that several operations share stays one."""
    known: dict[Weight, _Shaped] = {}

    def source(value: str | Weight) -> str | Weight:
        if isinstance(value, str):
            return value
        if value not in known:
            known[value] = _Shaped(value.constant)
        return known[value]

    def operand(value: Operand) -> Operand:
        return replace(value, sources=tuple(map(source, value.sources)))

    def shaped(inner: CompiledBlock) -> CompiledBlock:
        steps = tuple(
            replace(
                step,
                operands=tuple(map(operand, step.operands)),
                blocks=tuple(map(shaped, step.blocks)),
                expanded=None,
            )
            for step in inner.steps
        )
        return replace(inner, steps=steps, outputs=tuple(map(source, inner.outputs)))

    return shaped(block)
