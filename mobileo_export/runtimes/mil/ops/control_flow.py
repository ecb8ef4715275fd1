"""Operations that run blocks, and those that read and write state."""

from __future__ import annotations

from collections.abc import Callable

from mobileo_export.artifacts.mlpackage.limits import LimitError, current

from ..values import Cell
from .registry import Anything, Tensor, Tensors, Values, deliver, kernel, tensor

Blocks = tuple[Callable[..., Tensors], ...]


@kernel("cond", blocks=True)
def cond(blocks: Blocks, pred: bool) -> Tensors:
    """The outputs of the first block if ``pred``, else of the second."""
    return blocks[0 if pred else 1]()


@kernel("while_loop", blocks=True)
def while_loop(blocks: Blocks, loop_vars: Values) -> Values:
    """Map ``loop_vars`` through the second block while the first returns true for them."""
    condition, body = blocks
    for _ in range(current().loop_iterations):
        if not deliver("bool", tensor(condition(*loop_vars)[0])):
            return loop_vars
        loop_vars = body(*loop_vars)
    raise LimitError(f"the loop did not end after {current().loop_iterations:,} rounds")


@kernel("read_state")
def read_state(input_: Anything) -> Tensor:
    """The value a state holds."""
    return _cell(input_).value


@kernel("write_state")
def write_state(input_: Anything, data: Tensor) -> Tensors:
    """Replace the value a state holds."""
    _cell(input_).value = data
    return ()


def _cell(value: Anything) -> Cell:
    if not isinstance(value, Cell):
        raise ValueError("the operand is not a state")
    return value
