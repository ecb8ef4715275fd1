"""The runtime: load a package once, run it on named arrays any number of times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlpackage.decode import decode
from mobileo_export.artifacts.mlpackage.limits import Limits, enforcing
from mobileo_export.artifacts.mlpackage.package import open_package
from mobileo_export.artifacts.mlpackage.signature import Signature, describe
from mobileo_export.artifacts.mlpackage.verify import verify
from mobileo_export.errors import UsageError
from mobileo_export.runtimes.base import opened

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.artifacts.mlpackage.program import Function, Op, Program

    from ..base import Array
    from .interpreter import Overflow

OnOp = Callable[["Op", Mapping[str, "Array"]], None]


class State:
    """The values of a function's states; pass it from run to run to keep them."""

    def __init__(self, cells: dict[str, Any]) -> None:
        self.cells = cells

    def arrays(self) -> dict[str, Array]:
        """A copy of every value, by name."""
        return {name: cell.value.numpy().copy() for name, cell in self.cells.items()}


class MilRuntime:
    """Executes ``.mlpackage`` files that hold an ML Program.

    What a package declares as half precision is computed in float32 and rounded to half.

    Args:
        limits: bounds on what a package may use.
    """

    name = "mil"

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()

    def load(self, path: Path, function: str | None = None) -> MilSession:
        """Open the package at ``path`` and prepare its default function, or another by name.

        Raises:
            UsageError: there is no such package or function.
            BundleError: the package is damaged or holds no ML Program.
            RuntimeUnavailableError: it uses operations that are not executed here.
        """
        program = decode(open_package(path), self._limits)
        verify(program)
        return MilSession(program, function_of(program, function), self._limits)


def function_of(program: Program, name: str | None) -> Function:
    """The function ``name`` of ``program``, its default one for None.

    Raises:
        UsageError: there is none of this name.
    """
    name = name or program.default
    if name not in program.functions:
        known = ", ".join(sorted(program.functions))
        raise UsageError(f"{program.package} has no function {name!r} (functions: {known})")
    return program.functions[name]


class MilSession:
    """A loaded function.

    Attributes:
        signature: names, types and size ranges of inputs, states and outputs.
        overflow: the first result of the last run that was finite in float32 and infinite once
            rounded to half, if any.
    """

    def __init__(self, program: Program, function: Function, limits: Limits) -> None:
        from .plan import Compiler

        self.signature: Signature = describe(program, function)
        self.overflow: Overflow | None = None
        self._limits = limits
        self._where = f"{program.package}, function {function.name!r}"
        self._block: Any = Compiler(program.package, function).compile()

    def make_state(self) -> State:
        """Fresh states, all zeros."""
        import torch

        from .values import Cell, carried

        cells = {}
        for feature in self.signature.states:
            # States are half precision in practice; they are carried like any other value.
            shape = [low for low, _ in feature.sizes]
            cells[feature.name] = Cell(torch.zeros(shape, dtype=carried(feature.dtype)))
        return State(cells)

    def run(
        self,
        inputs: Mapping[str, Array],
        on_op: OnOp | None = None,
        state: State | None = None,
    ) -> dict[str, Array]:
        """Map named input arrays to named output arrays.

        Args:
            inputs: exactly the inputs of the signature.
            on_op: called after every operation (inner blocks included, weight expansion not) with
                the operation and its outputs by name; half-precision values come as float32.
                The arrays share memory with the run: copy what is to be kept or changed.
            state: states to read and write; without it the run starts from zeros.

        Raises:
            UsageError: an input is missing, unknown, or of the wrong shape or type.
            BundleError: an operation cannot be executed on these values.
            InternalError: a bug of the evaluator's; what ``on_op`` raises comes as it is.
        """
        import torch

        from .interpreter import HookError, Run
        from .values import to_numpy

        block = opened(self._block)
        self.signature.check(inputs)
        run = Run(self._where, _as_arrays(on_op))
        with torch.inference_mode(), enforcing(self._limits):
            values: dict[str, Any] = {
                feature.name: self._input(inputs[feature.name], feature.dtype)
                for feature in self.signature.inputs
            }
            values.update((state or self.make_state()).cells)
            try:
                results = run.block(block, values)
            except HookError as error:
                raise error.error from None
        self.overflow = run.overflow
        return {
            feature.name: to_numpy(result, feature.dtype)
            for feature, result in zip(self.signature.outputs, results, strict=True)
        }

    def close(self) -> None:
        """Release the weights; running the session afterwards is an error."""
        self._block = None

    def _input(self, array: Array, dtype: str) -> Any:
        import numpy as np
        import torch

        from .values import carried

        # A copy where torch would otherwise warn of memory it may not write to.
        readable = array if array.flags.writeable else array.copy()
        value = torch.from_numpy(np.ascontiguousarray(readable).reshape(array.shape))
        return value.to(carried(dtype))


def _as_arrays(on_op: OnOp | None) -> Any:
    if on_op is None:
        return None

    def hook(op: Op, outputs: Mapping[str, Any]) -> None:
        on_op(
            op, {name: value.numpy() for name, value in outputs.items() if hasattr(value, "numpy")}
        )

    return hook
