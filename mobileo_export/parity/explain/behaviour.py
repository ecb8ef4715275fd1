"""Causes that lie in an operation, not in a weight: its attributes, and what it makes of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.explain.layouts import relative_error
from mobileo_export.parity.explain.tensors import Difference

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.stored_values.package_graph import ConstantOf

# The operation that an activation module becomes, and those it may be mistaken for.
_ACTIVATIONS = {"GELU": "gelu", "SiLU": "silu", "ReLU": "relu", "Sigmoid": "sigmoid"}
_OTHERS = {"tanh", "relu6", "leaky_relu", "elu", "softplus", "sigmoid_hard", "erf", "clamped_relu"}
_RESAMPLING = ("upsample_nearest_neighbor", "upsample_bilinear", "resize_bilinear", "resize")
_SMALL = 4
_CLOSE = 1e-3  # of the error that a hypothesis must leave


def attributes(module: torch.nn.Module, op: Op, constants: list[ConstantOf]) -> Difference | None:
    """An attribute of ``op`` that disagrees with the torch module it comes from."""
    given = {c.parameter: c.values for c in constants if c.values.size <= 16}
    kind = type(module).__name__
    return (
        _epsilon(module, op, given)
        or _gelu(module, op, given)
        or _geometry(module, op, given)
        or _activation(kind, op)
        or _resampling(module, op)
    )


def _epsilon(module: Any, op: Op, given: dict[str, Any]) -> Difference | None:
    wanted = getattr(module, "eps", None)
    # rsqrt has an epsilon of its own, which no module knows.
    name = "epsilon" if op.kind.endswith("_norm") else "y" if op.kind == "add" else None
    if not isinstance(wanted, float) or name not in given or given[name].size != 1:
        return None
    found = float(given[name].reshape(-1)[0])
    # Half precision holds 1e-6 to 5 %.
    if found > 0 and abs(found - wanted) > 0.1 * wanted and found < 0.1:
        return Difference("epsilon", f"epsilon is {found:.3g}, the module's is {wanted:.3g}")
    return None


def _gelu(module: Any, op: Op, given: dict[str, Any]) -> Difference | None:
    if op.kind != "gelu" or not hasattr(module, "approximate"):
        return None
    mode = str(given["mode"].reshape(-1)[0]) if "mode" in given else "EXACT"
    wanted = "TANH_APPROXIMATION" if module.approximate == "tanh" else "EXACT"
    if mode == wanted:
        return None
    return Difference("gelu approximation", f"GELU is {mode}, the module computes {wanted}")


def _geometry(module: Any, op: Op, given: dict[str, Any]) -> Difference | None:
    if op.kind != "conv" or not hasattr(module, "stride"):
        return None
    for parameter, attribute in (("strides", "stride"), ("dilations", "dilation"),
                                 ("groups", "groups")):  # fmt: skip
        wanted = np.atleast_1d(getattr(module, attribute))
        if parameter in given and not np.array_equal(np.atleast_1d(given[parameter]), wanted):
            found = np.atleast_1d(given[parameter]).tolist()
            return Difference(
                "other geometry", f"{parameter} is {found}, the module's {wanted.tolist()}"
            )
    padding = getattr(module, "padding", None)
    if "pad" in given and isinstance(padding, tuple):
        pad = given["pad"].reshape(-1)
        custom = str(given["pad_type"].reshape(-1)[0]) == "custom" if "pad_type" in given else True
        if custom and not np.array_equal(pad, np.repeat(padding, 2)):
            return Difference(
                "other geometry", f"pad is {pad.tolist()}, the module pads {list(padding)}"
            )
    return None


def _activation(kind: str, op: Op) -> Difference | None:
    wanted = _ACTIVATIONS.get(kind)
    if wanted in (None, op.kind) or op.kind not in _OTHERS.union(_ACTIVATIONS.values()):
        return None
    return Difference("other activation", f"computes {op.kind}, the module is {kind}")


def _resampling(module: Any, op: Op) -> Difference | None:
    wanted = getattr(module, "interpolation_mode", getattr(module, "mode", None))
    if op.kind not in _RESAMPLING or not isinstance(wanted, str):
        return None
    name = "nearest" if "nearest" in op.kind else "bilinear"
    if name in wanted:
        return None
    return Difference("other resampling", f"resamples {name}, the module {wanted}")


def attention(op: Op, values: dict[str, Any]) -> Difference | None:
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
    return Difference("input ignored", "it attends to every token: the mask has no effect")


def outputs(found: NDArray[Any], expected: NDArray[Any]) -> Difference | None:
    """How ``found`` can be made of ``expected``: shifted, scaled, offset, swapped, permuted."""
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).sum())
        return Difference("not finite", f"{bad:,} of {found.size:,} results are NaN or infinite")
    if not found.any():
        return Difference("output zero", "every result is 0")
    wide, truth = found.astype(np.float64), expected.astype(np.float64)
    if found.size <= _SMALL:
        is_, instead = (np.array2string(a.reshape(-1), precision=6) for a in (found, expected))
        return Difference("output offset", f"it is {is_} instead of {instead}")
    energy = float((truth**2).sum())
    ratio = float((wide * truth).sum()) / energy if energy else 0.0
    if ratio and _explains(wide, truth * ratio, wide - truth):
        return Difference("output scaled", f"every result is multiplied by {ratio:.6g}")
    answers = (_along(axis, wide, truth) for axis in range(found.ndim))
    return next((answer for answer in answers if answer is not None), _exchanged(wide, truth))


def _exchanged(found: NDArray[Any], expected: NDArray[Any]) -> Difference | None:
    for axis in range(found.ndim):
        for other in range(axis + 1, found.ndim):
            if found.shape[axis] == found.shape[other] > 1 and _explains(
                found, expected.swapaxes(axis, other), found - expected
            ):
                return Difference("output permuted", f"axes {axis} and {other} are exchanged")
    return None


def _along(axis: int, found: NDArray[Any], expected: NDArray[Any]) -> Difference | None:
    size = found.shape[axis]
    apart = found - expected
    if size > 2:
        for step in (1, -1):
            # What is shifted out may be lost; all but the ends must agree.
            inner = slice(1, -1)
            rolled = np.roll(expected, step, axis)
            a, b = (np.moveaxis(array, axis, 0)[inner] for array in (found, rolled))
            if _explains(a, b, np.moveaxis(apart, axis, 0)[inner]):
                return Difference("output shifted", f"shifted by {step:+d} along axis {axis}")
    rest = tuple(a for a in range(found.ndim) if a != axis)
    if not rest or size < 2:
        return None
    energies = (apart**2).sum(axis=rest)
    changed = np.flatnonzero(energies > 1e-6 * energies.max())
    if len(changed) == 2:
        i, j = (int(place) for place in changed)
        if _explains(
            np.take(found, [i, j], axis),
            np.take(expected, [j, i], axis),
            np.take(apart, [i, j], axis),
        ):
            return Difference("output swapped", f"slices {i} and {j} of axis {axis} are exchanged")
    offset = apart.mean(axis=rest, keepdims=True)
    if found.size > 4 * size and _explains(apart, np.broadcast_to(offset, apart.shape), apart):
        return Difference("output offset", f"a constant is added along axis {axis}")
    return None


def _explains(found: NDArray[Any], hypothesis: NDArray[Any], apart: NDArray[Any]) -> bool:
    """Whether a hypothesis leaves next to nothing of the difference that there is."""
    left = float(np.linalg.norm(found - hypothesis))
    there = float(np.linalg.norm(apart))
    return there > 0 and left <= _CLOSE * there and relative_error(found, hypothesis) < 1e-2
