"""Run compiled blocks: the live values only, each result in its declared type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlpackage.program import Op
from mobileo_export.errors import (
    BundleError,
    InternalError,
    MobileoError,
    first_line,
    typed_line,
)

from .ops import REFUSALS

if TYPE_CHECKING:
    import torch

    from .plan import CompiledBlock, Step, Values

Hook = Callable[[Op, Mapping[str, Any]], None]


class HookError(Exception):
    """Carries what a hook raised out of the graph, which is not to be blamed for it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class Overflow:
    """The first operation whose finite result became infinite in half precision."""

    op: str
    kind: str
    output: str

    def __str__(self) -> str:
        return f"op {self.op!r} ({self.kind}) overflows half precision in {self.output!r}"


@dataclass(eq=False)
class Run:
    """The course of one run."""

    where: str
    hook: Hook | None = None
    overflow: Overflow | None = field(default=None)

    def block(self, block: CompiledBlock, values: Values) -> tuple[Any, ...]:
        """Execute a block on ``values`` (emptied as it goes) and return its outputs."""
        for step in block.steps:
            results = step.expanded[0] if step.expanded else self._step(step, values)
            if step.expanded == [] and self.overflow is None:  # of which every run is to tell
                step.expanded.append(results)
            for output, result in zip(step.op.outputs, results, strict=True):
                values[output.name] = result
            if self.hook and not step.op.kind.startswith("constexpr_"):
                self._tell(step.op, results)
            del results
            for name in step.releases:
                del values[name]
        return tuple(
            values[output] if isinstance(output, str) else output.tensor()
            for output in block.outputs
        )

    def _tell(self, op: Op, results: tuple[Any, ...]) -> None:
        assert self.hook is not None
        try:
            self.hook(op, {o.name: r for o, r in zip(op.outputs, results, strict=True)})
        except Exception as error:  # whatever block it is in
            raise HookError(error) from error

    def _step(self, step: Step, values: Values) -> tuple[Any, ...]:
        try:
            arguments = {
                operand.name: operand.fetch(values) if operand.sources else operand.ready
                for operand in step.operands
            }
            if step.kernel.blocks:
                inner = tuple(self._callable(block, values) for block in step.blocks)
                results = step.kernel.function(inner, **arguments)
            else:
                results = step.kernel.function(**arguments)
            if not isinstance(results, tuple):
                results = (results,)
            if len(results) != len(step.op.outputs):
                raise ValueError(f"{len(results)} results for {len(step.op.outputs)} outputs")
            typed = tuple(
                [
                    result if declared is None else declared.conform(result)
                    for declared, result in zip(step.results, results, strict=True)
                ]
            )
            return self._rounded(step, typed, arguments) if step.halves else typed
        except (MobileoError, InternalError, HookError):
            raise
        except REFUSALS as error:  # what a graph can cause, see ops.registry
            reason = first_line(error)
            raise BundleError(f"{self.where}: {step.op} cannot be executed: {reason}") from error
        except Exception as error:
            where = f"{self.where}: {step.op}"
            raise InternalError(f"{typed_line(error)} in the evaluator, {where}") from error

    def _callable(self, block: CompiledBlock, outer: Values) -> Callable[..., tuple[Any, ...]]:
        def call(*arguments: Any) -> tuple[Any, ...]:
            values = {name: outer[name] for name in block.captured}
            values.update(zip(block.inputs, arguments, strict=True))
            return self.block(block, values)

        return call

    def _rounded(
        self, step: Step, values: tuple[Any, ...], arguments: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        # A view of operands that are rounded needs no rounding; a cast may be a view of ones that
        # are not.
        rounded = set() if step.op.kind == "cast" else _storages(arguments)
        return tuple(
            value
            if declared is None
            or not declared.half
            or value.untyped_storage().data_ptr() in rounded
            else self._halved(value, step.op, index)
            for index, (declared, value) in enumerate(zip(step.results, values, strict=True))
        )

    def _halved(self, value: torch.Tensor, op: Op, index: int) -> torch.Tensor:
        result = value.half().float()
        # One pass tells that all is well; only what is not finite is looked at closely.
        if self.overflow is None and result.numel() and not _bounded(result):
            infinite = result.isinf()
            if bool(value[infinite].isfinite().any()):
                self.overflow = Overflow(op.name, op.kind, op.outputs[index].name)
        return result


def _bounded(value: torch.Tensor) -> bool:
    low, high = value.aminmax()
    return bool((high - low).isfinite())


def _storages(arguments: Mapping[str, Any]) -> set[int]:
    """Where the memory of tensor arguments starts."""
    tensors = (
        item
        for argument in arguments.values()
        for item in (argument if isinstance(argument, tuple) else (argument,))
    )
    return {t.untyped_storage().data_ptr() for t in tensors if hasattr(t, "untyped_storage")}
