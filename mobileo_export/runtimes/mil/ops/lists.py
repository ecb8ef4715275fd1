"""Lists of tensors of one shape; every operation returns a new list."""

from __future__ import annotations

import torch

from mobileo_export.artifacts.mlpackage.limits import guard

from ..values import TensorList
from .registry import Anything, Tensor, Unused, deliver, kernel

_PLACE = 8  # bytes of a place in a list, its element apart


@kernel("make_list")
def make_list(
    init_length: int = 1,
    dynamic_length: bool = True,
    elem_shape: Unused = None,
    dtype: str = "fp32",
) -> TensorList:
    """A list of ``init_length`` empty places; the first writes decide about its elements."""
    guard([init_length], _PLACE)
    return TensorList((None,) * init_length)


@kernel("list_length")
def list_length(ls: Anything) -> Tensor:
    """How many places the list has."""
    return torch.tensor(len(_list(ls).items), dtype=torch.int32)


@kernel("list_write")
def list_write(ls: Anything, index: int, value: Tensor) -> TensorList:
    """The list with ``value`` at ``index``; it grows when the index lies beyond its end."""
    return _written(_list(ls), [index], [value])


@kernel("list_scatter")
def list_scatter(ls: Anything, indices: Tensor, value: Tensor) -> TensorList:
    """The list with the slices of ``value`` at ``indices``."""
    return _written(_list(ls), deliver("Ints", indices), list(value.unbind(0)))


@kernel("list_read")
def list_read(ls: Anything, index: int) -> Tensor | None:
    """The element at ``index``; None, which is zeros of the declared type, if it is empty."""
    return _list(ls).items[index]


@kernel("list_gather")
def list_gather(ls: Anything, indices: Tensor) -> Tensor:
    """The elements at ``indices``, stacked."""
    return torch.stack([_item(_list(ls), index) for index in deliver("Ints", indices)])


def _list(value: Anything) -> TensorList:
    if not isinstance(value, TensorList):
        raise ValueError("the operand is not a list")
    return value


def _item(ls: TensorList, index: int) -> Tensor:
    item = ls.items[index]
    if item is not None:
        return item
    written = next((other for other in ls.items if other is not None), None)
    if written is None:
        raise IndexError(f"nothing was written at {index}")
    return torch.zeros_like(written)


def _written(ls: TensorList, indices: list[int], values: list[Tensor]) -> TensorList:
    guard([max([0, *indices]) + 1], _PLACE)
    items = list(ls.items)
    for index, value in zip(indices, values, strict=True):
        if index < 0:
            raise IndexError(f"a list has no place {index}")
        items += [None] * (index + 1 - len(items))
        items[index] = value
    return TensorList(tuple(items))
