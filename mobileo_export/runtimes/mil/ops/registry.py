"""The table of kernels and how arguments reach their parameters.

A kernel is a plain function with the name of an operation's parameters. Its annotations say how an
argument is delivered: ``Tensor`` as it is, ``int``/``float``/``bool``/``str``/``Number`` as one
Python value, ``Ints``/``Bools`` as a list of them, ``Tensors`` all
arguments of the parameter, ``Unused`` none.
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
Anything = Any
Unused = Any

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Parameter:
    """How one parameter of a kernel is filled; ``kind`` is its annotation without ``| None``."""

    kind: str
    required: bool

    @property
    def scalar(self) -> bool:
        """Whether the kernel wants Python values rather than a tensor."""
        return self.kind not in ("Tensor", "Tensors", "Anything", "Unused")


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
            name.rstrip("_"): Parameter(
                str(parameter.annotation).removesuffix(" | None"),
                parameter.default is inspect.Parameter.empty,
            )
            for name, parameter in list(signature.items())[blocks:]
        }
        for kind in kinds:
            if kind in KERNELS:
                raise AssertionError(f"{kind} is registered twice")
            KERNELS[kind] = Kernel(function, parameters, blocks)
        return function

    return register


def deliver(kind: str, value: Tensor) -> Any:
    """A tensor as the Python value that an annotation asks for."""
    match kind:
        case "Ints":
            return [int(item) for item in value.reshape(-1).tolist()]
        case "Bools":
            return [bool(item) for item in value.reshape(-1).tolist()]
        case "int":
            return int(value.item())
        case "float":
            return float(value.item())
        case "bool":
            return bool(value.item())
        case "Number":
            return value.item()
        case _:
            raise TypeError("a string is needed, not a tensor")
