"""Causes that lie in an operation, not in a weight: its attributes, and what it makes of values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.explain.layouts import relative_error
from mobileo_export.parity.explain.results import Deviation

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.stored_values.package_graph import ConstantOf

# The operation that an activation module becomes, and those it may be mistaken for.
_ACTIVATIONS = {"GELU": "gelu", "SiLU": "silu", "ReLU": "relu", "Sigmoid": "sigmoid"}
_OTHERS = {"tanh", "relu6", "leaky_relu", "elu", "softplus", "sigmoid_hard", "erf", "clamped_relu"}
_CLOSE = 1e-3  # of the error that a hypothesis must leave


def attributes(module: torch.nn.Module, op: Op, constants: list[ConstantOf]) -> Deviation | None:
    """An attribute of ``op`` that disagrees with the torch module it comes from."""
    given = {c.parameter: c.values for c in constants if c.values.size <= 16}
    return _geometry(module, op, given) or _activation(type(module).__name__, op)


def _geometry(module: Any, op: Op, given: dict[str, Any]) -> Deviation | None:
    if op.kind != "conv" or not hasattr(module, "stride"):
        return None
    for parameter, attribute in (("strides", "stride"), ("dilations", "dilation"),
                                 ("groups", "groups")):  # fmt: skip
        wanted = np.atleast_1d(getattr(module, attribute))
        if parameter in given and not np.array_equal(np.atleast_1d(given[parameter]), wanted):
            found = np.atleast_1d(given[parameter]).tolist()
            return Deviation(
                "other geometry", f"{parameter} is {found}, the module's {wanted.tolist()}"
            )
    padding = getattr(module, "padding", None)
    if "pad" in given and isinstance(padding, tuple):
        pad = given["pad"].reshape(-1)
        custom = str(given["pad_type"].reshape(-1)[0]) == "custom" if "pad_type" in given else True
        if custom and not np.array_equal(pad, np.repeat(padding, 2)):
            return Deviation(
                "other geometry", f"pad is {pad.tolist()}, the module pads {list(padding)}"
            )
    return None


def _activation(kind: str, op: Op) -> Deviation | None:
    wanted = _ACTIVATIONS.get(kind)
    if wanted in (None, op.kind) or op.kind not in _OTHERS.union(_ACTIVATIONS.values()):
        return None
    return Deviation("other activation", f"computes {op.kind}, the module is {kind}")


def attention(op: Op, values: dict[str, Any]) -> Deviation | None:
    """An attention whose result is the one without its mask."""
    if op.kind != "scaled_dot_product_attention" or op.outputs[0].name not in values:
        return None
    names = (op.inputs[part][0] for part in ("query", "key", "value"))
    query, key, value = (values.get(n) if isinstance(n, str) else None for n in names)
    if query is None or key is None or value is None:
        return None
    scores = query.astype(np.float64) @ key.swapaxes(-1, -2).astype(np.float64)
    scores /= np.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    error = relative_error(values[op.outputs[0].name], weights @ value.astype(np.float64))
    if error > _CLOSE:
        return None
    return Deviation("input ignored", "it attends to every token: the mask has no effect")


def result(found: NDArray[Any], expected: NDArray[Any]) -> Deviation:
    """How far a result is from the right one, and whether one factor makes up for it."""
    error = relative_error(found, expected)
    detail = f"its operands agree, its result is off by {error:.1e} (relative L2)"
    wide, truth = found.astype(np.float64), expected.astype(np.float64)
    if math.isfinite(error) and truth.any():
        ratio = float((wide * truth).sum() / (truth**2).sum())
        if np.linalg.norm(wide - ratio * truth) <= _CLOSE * np.linalg.norm(wide - truth):
            detail += f": it is {ratio:.6g} times the right one"
    return Deviation("other result", detail)
