"""The table of kernels and how arguments reach their parameters.

A kernel is a plain function with the name of an operation's parameters. Its annotations say how an
argument is delivered: ``Tensor`` as it is, ``int``/``float``/``bool``/``str``/``Number`` as one
Python value, ``Axis`` as a number of axes, ``Ints``/``Bools`` as a list of them, ``Tensors`` all
arguments of the parameter, ``Anything`` and ``Values`` lists and states too, ``Unused`` none.

Nothing else is delivered, so that a kernel need only judge values: it raises one of
:data:`REFUSALS`, or lets torch do so, for what a graph can get wrong. Anything else that it raises
is a bug of ours.

Defaults are those of the documentation (``coremltools`` ``ops/defs/iOS15`` … ``iOS18``);
converters need not write defaults into a package.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

Tensor = torch.Tensor
Tensors = tuple[torch.Tensor, ...]
Ints = list[int]
Bools = list[bool]
Number = int | float | bool
Axis = int
Anything = Any
Values = tuple[Any, ...]
Unused = Any

# What a graph's values can cause: sizes that do not fit, indices outside, divisions by a size of 0,
# numbers too large, an element type that torch does not compute with (NotImplementedError is one).
REFUSALS = (ValueError, IndexError, RuntimeError, ArithmeticError, MemoryError)
_KINDS = frozenset(
    ("Tensor", "Tensors", "Ints", "Bools", "int", "float", "bool", "str", "Number", "Axis",
     "Anything", "Values", "Unused")
)  # fmt: skip
_AXES = range(-64, 65)  # more than torch has
_INT32 = range(-(2**31), 2**31)  # what Core ML's sizes, indices and axes are stored in

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Parameter:
    """How one parameter of a kernel is filled; ``kind`` is its annotation without ``| None``."""

    kind: str
    required: bool

    @property
    def scalar(self) -> bool:
        """Whether the kernel wants Python values rather than a tensor."""
        return self.kind not in ("Tensor", "Tensors", "Anything", "Values", "Unused")


@dataclass(frozen=True)
class Kernel:
    """An operation's implementation.

    Attributes:
        blocks: the kernel runs inner blocks, and takes them as its first argument.
    """

    function: Callable[..., Any]
    parameters: dict[str, Parameter]
    blocks: bool = False


KERNELS: dict[str, Kernel] = {}


def kernel(*kinds: str, blocks: bool = False) -> Callable[[_F], _F]:
    """Register a function as the implementation of the operations ``kinds``."""

    def register(function: _F) -> _F:
        signature = inspect.signature(function).parameters
        parameters = {
            name.rstrip("_"): _declared(function, parameter)
            for name, parameter in list(signature.items())[blocks:]
        }
        for kind in kinds:
            if kind in KERNELS:
                raise TypeError(f"{kind} is registered twice")
            KERNELS[kind] = Kernel(function, parameters, blocks)
        return function

    return register


def _declared(function: Callable[..., Any], parameter: inspect.Parameter) -> Parameter:
    """What a parameter says of itself.

    Raises:
        TypeError: its annotation is none that can be delivered.
    """
    kind = str(parameter.annotation).removesuffix(" | None")
    optional = kind != str(parameter.annotation)
    required = parameter.default is inspect.Parameter.empty
    named = parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
    fits = (parameter.default is None) == optional or kind in {"Anything", "Unused"}
    if kind not in _KINDS or not named or not fits:
        raise TypeError(f"{function.__module__}.{function.__name__}: cannot deliver {parameter}")
    return Parameter(kind, required)


def tensor(value: Any) -> Tensor:
    """``value``, which a graph may have made a list or a state. Raises ValueError if it did."""
    if not isinstance(value, Tensor):
        raise ValueError("a list or a state stands where a tensor is needed")
    return value


def deliver(kind: str, value: Tensor) -> Any:
    """A tensor as the Python value that an annotation asks for."""
    match kind:
        case "Ints":
            return [_within(int(item), _INT32) for item in value.reshape(-1).tolist()]
        case "Bools":
            return [bool(item) for item in value.reshape(-1).tolist()]
        case "int" | "Axis":
            return _within(int(value.item()), _AXES if kind == "Axis" else _INT32)
        case "float":
            return float(value.item())
        case "bool":
            return bool(value.item())
        case "Number":
            return value.item()
        case _:
            raise TypeError("a string is needed, not a tensor")


def _within(number: int, bounds: range) -> int:
    if number not in bounds:
        raise ValueError(f"{number} is no size, index or axis")
    return number
