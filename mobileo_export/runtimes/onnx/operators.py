"""The ONNX operators of our graphs in PyTorch, opset 18, in float32 whatever the graph stores.

What is computed is what https://onnx.ai/onnx/operators says; rounding is the caller's affair.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from mobileo_export.errors import BundleError

Tensor = torch.Tensor
Attributes = Mapping[str, Any]
Operator = Callable[[Sequence[Any], Attributes], Any]


def _listed(tensor: Tensor | None) -> list[int] | None:
    return None if tensor is None else [int(value) for value in tensor.reshape(-1)]


def _input(given: Sequence[Any], index: int) -> Any:
    return given[index] if len(given) > index else None


def _divide(given: Sequence[Any], attributes: Attributes) -> Tensor:
    left, right = given
    if left.is_floating_point():
        return torch.div(left, right)
    return torch.div(left, right, rounding_mode="trunc")


def _gemm(given: Sequence[Any], attributes: Attributes) -> Tensor:
    left, right = given[0], given[1]
    left = left.T if attributes.get("transA", 0) else left
    right = right.T if attributes.get("transB", 0) else right
    product = attributes.get("alpha", 1.0) * (left @ right)
    offset = _input(given, 2)
    total: Tensor = product if offset is None else product + attributes.get("beta", 1.0) * offset
    return total


def _conv(given: Sequence[Any], attributes: Attributes) -> Tensor:
    x, weight = given[0], given[1]
    rank = x.dim() - 2
    pads = attributes.get("pads", [0] * 2 * rank)
    # Before and after of each axis in turn, the last axis first, as torch wants it.
    sides = [pads[axis + rank * end] for axis in reversed(range(rank)) for end in (0, 1)]
    convolve: Any = {1: functional.conv1d, 2: functional.conv2d}[rank]
    result: Tensor = convolve(
        functional.pad(x, sides) if any(sides) else x,
        weight,
        _input(given, 2),
        stride=list(attributes.get("strides", [1] * rank)),
        dilation=list(attributes.get("dilations", [1] * rank)),
        groups=attributes.get("group", 1),
    )
    return result


def _layer_norm(given: Sequence[Any], attributes: Attributes) -> Tensor:
    x = given[0]
    shape = x.shape[attributes.get("axis", -1) :]
    epsilon = attributes.get("epsilon", 1e-5)
    return functional.layer_norm(x, shape, given[1], _input(given, 2), epsilon)


def _reduce(function: Callable[..., Tensor]) -> Operator:
    def reduce(given: Sequence[Any], attributes: Attributes) -> Tensor:
        axes = _listed(_input(given, 1)) or list(range(given[0].dim()))
        return function(given[0], dim=axes, keepdim=bool(attributes.get("keepdims", 1)))

    return reduce


def _reshape(given: Sequence[Any], attributes: Attributes) -> Tensor:
    x, wanted = given[0], _listed(given[1]) or []
    if not attributes.get("allowzero", 0):
        wanted = [x.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    reshaped: Tensor = x.reshape(wanted)
    return reshaped


def _slice(given: Sequence[Any], attributes: Attributes) -> Tensor:
    x, starts, ends = given[0], _listed(given[1]) or [], _listed(given[2]) or []
    axes = _listed(_input(given, 3)) or list(range(len(starts)))
    steps = _listed(_input(given, 4)) or [1] * len(starts)
    index = [slice(None)] * x.dim()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        # "To the end" is 2⁶³ − 1, and what lies beyond an end counts as it.
        index[axis] = slice(*slice(start, end, step).indices(x.shape[axis]))
    sliced: Tensor = x[tuple(index)]
    return sliced


def _split(given: Sequence[Any], attributes: Attributes) -> tuple[Tensor, ...]:
    x, axis = given[0], attributes.get("axis", 0)
    sizes = _listed(_input(given, 1))
    if sizes is None:
        sizes = [math.ceil(x.shape[axis] / attributes["num_outputs"])]
    return torch.split(x, sizes if len(sizes) > 1 else sizes[0], dim=axis)


def _squeeze(given: Sequence[Any], attributes: Attributes) -> Tensor:
    axes = _listed(_input(given, 1))
    squeezed: Tensor = given[0].squeeze() if axes is None else given[0].squeeze(tuple(axes))
    return squeezed


def _unsqueeze(given: Sequence[Any], attributes: Attributes) -> Tensor:
    x, axes = given[0], _listed(given[1]) or []
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    result: Tensor = x
    return result


def _expand(given: Sequence[Any], attributes: Attributes) -> Tensor:
    broadcast: Any = torch.broadcast_shapes  # untyped
    shape = broadcast(given[0].shape, tuple(_listed(given[1]) or []))
    expanded: Tensor = given[0].expand(shape)
    return expanded


def _gather(given: Sequence[Any], attributes: Attributes) -> Tensor:
    x: Tensor = given[0]
    indices: Tensor = given[1]
    axis = attributes.get("axis", 0) % x.dim()
    flat = indices.reshape(-1).long()
    found = x.index_select(axis, torch.where(flat < 0, flat + x.shape[axis], flat))
    return found.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _shape(given: Sequence[Any], attributes: Attributes) -> Tensor:
    sizes = list(given[0].shape)
    return torch.tensor(sizes[attributes.get("start", 0) : attributes.get("end", len(sizes))])


def _pad(given: Sequence[Any], attributes: Attributes) -> Tensor:
    x, pads = given[0], _listed(given[1]) or []
    axes = _listed(_input(given, 3)) or list(range(x.dim()))
    sides = [0] * 2 * x.dim()
    for place, axis in enumerate(axes):
        last_first = 2 * (x.dim() - 1 - axis % x.dim())
        sides[last_first : last_first + 2] = pads[place], pads[place + len(axes)]
    value = _input(given, 2)
    return functional.pad(x, sides, value=0.0 if value is None else float(value))


def _resize(given: Sequence[Any], attributes: Attributes) -> Tensor:
    """Nearest neighbour by whole factors, in which all of ONNX's coordinate rules agree."""
    scales = [] if _input(given, 2) is None else given[2].tolist()
    if attributes.get("mode", b"nearest") != b"nearest" or any(s != int(s) for s in scales):
        raise NotImplementedError("Resize other than nearest by whole factors")
    x: Tensor = given[0]
    for axis, scale in enumerate(scales):
        if scale != 1:
            x = x.repeat_interleave(int(scale), dim=axis)
    return x


def _depth_to_space(given: Sequence[Any], attributes: Attributes) -> Tensor:
    if attributes.get("mode", b"DCR") != b"CRD":
        raise NotImplementedError("DepthToSpace of mode DCR")
    return functional.pixel_shuffle(given[0], attributes["blocksize"])


def _hard_sigmoid(given: Sequence[Any], attributes: Attributes) -> Tensor:
    scaled: Tensor = attributes.get("alpha", 0.2) * given[0] + attributes.get("beta", 0.5)
    return scaled.clamp(0, 1)


_CASTS = {1: torch.float32, 10: torch.float32, 6: torch.int32, 7: torch.int64}


def _cast(given: Sequence[Any], attributes: Attributes) -> Tensor:
    cast: Tensor = given[0].to(_CASTS[attributes["to"]])
    return cast


def _plain(function: Callable[..., Tensor]) -> Operator:
    return lambda given, attributes: function(*given)


OPERATORS: dict[str, Operator] = {
    "Add": _plain(torch.add),
    "Cast": _cast,
    "Concat": lambda given, attributes: torch.cat(list(given), dim=attributes["axis"]),
    "Conv": _conv,
    "Cos": _plain(torch.cos),
    "DepthToSpace": _depth_to_space,
    "Div": _divide,
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": _expand,
    "Gather": _gather,
    "Gemm": _gemm,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(functional.hardswish),
    "Identity": _plain(torch.clone),
    "LayerNormalization": _layer_norm,
    "MatMul": _plain(torch.matmul),
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "Pad": _pad,
    "Pow": _plain(torch.pow),
    "Reciprocal": _plain(torch.reciprocal),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": _plain(torch.sigmoid),
    "Sin": _plain(torch.sin),
    "Slice": _slice,
    "Softmax": lambda given, attributes: torch.softmax(given[0], attributes.get("axis", -1)),
    "Split": _split,
    "Sqrt": _plain(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "Tile": lambda given, attributes: given[0].repeat(_listed(given[1])),
    "Transpose": lambda given, attributes: given[0].permute(attributes["perm"]),
    "Unsqueeze": _unsqueeze,
}


def find(kind: str, node: str) -> Operator:
    """The operator ``kind``.

    Raises:
        BundleError: it is not here.
    """
    operator = OPERATORS.get(kind)
    if operator is None:
        raise BundleError(f"{node}: the emulation has no operator {kind}; export it again")
    return operator
