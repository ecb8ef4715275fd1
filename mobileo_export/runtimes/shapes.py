"""Operations on shapes alone: a graph is followed with tensors that have no values.

Sizes that a graph computes (``shape``, ``gather``, ``concat`` of small integers) keep their values,
so that what is reshaped by them is known; a value that depends on a picture or a prompt is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class ShapedValue:
    """A value of a graph, of which the shape counts.

    Attributes:
        name: in the graph; of a stored constant, what tells it from others.
        tensor: of its shape; views of each other share their storage.
        bits: that the graph declares of an element.
        stored: bytes of a constant in its file; None of what is computed.
        parameter: of the operation that takes it; empty of a result.
    """

    name: str
    tensor: Tensor
    bits: float
    stored: int | None = None
    parameter: str = ""

    @property
    def floating(self) -> bool:
        """Whether its elements are floats, whose width a precision may choose."""
        return self.tensor.is_floating_point()


@dataclass(frozen=True, eq=False)
class ShapedOperation:
    """One operation with what it takes and gives.

    Attributes:
        name: in the graph.
        kind: what the graph calls the operation.
        operands: tensors that it takes, constants among them.
        results: what it gives.
        settings: its other arguments, by name.
        live: values that are kept while it runs, its operands and results among them.
    """

    name: str
    kind: str
    operands: tuple[ShapedValue, ...]
    results: tuple[ShapedValue, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    live: tuple[ShapedValue, ...] = ()

    def sizes(self, parameter: str) -> tuple[int, ...]:
        """The shape of the first operand that is ``parameter``; empty if there is none."""
        found = (o.tensor.shape for o in self.operands if o.parameter == parameter)
        return tuple(next(found, ()))


Observe = Callable[[ShapedOperation], None]


class ShapesOnly(TorchDispatchMode):
    """Where one operand of an operation has no values, the result has none either."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[Any],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run ``func``, its other operands without their values too."""
        flat, form = tree_flatten((args, kwargs or {}))
        if any(isinstance(item, Tensor) and item.is_meta for item in flat):
            flat = [item.to("meta") if isinstance(item, Tensor) else item for item in flat]
        args, kwargs = tree_unflatten(flat, form)
        return func(*args, **(kwargs or {}))


def empty(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor of ``shape`` without values."""
    return torch.empty(tuple(shape), dtype=dtype, device="meta")


def place(tensor: Tensor) -> int:
    """What is equal of two living tensors that share memory."""
    return int(tensor.untyped_storage()._cdata)
