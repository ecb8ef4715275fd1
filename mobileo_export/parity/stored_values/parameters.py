"""What the constants of a package should be: the reference's tensors, as conversion folds them.

A :class:`ConstantRecipe` says which tensors a constant is made of and how. Only modules are needed
to find it; values are read when it is made, so that a package can be compared tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.stored_values.package_graph import ConstantOf, lineage
from mobileo_export.reference.names import convolution_before, module_at

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


Read = Callable[[str], "NDArray[Any]"]  # a tensor of the reference by its name in the state

# What operations call a normalisation's tensors.
_ALIASES = {
    "gamma": "weight",
    "beta": "bias",
    "mean": "running_mean",
    "variance": "running_var",
}
# What a constant is to its module when the operation does not say: norms and scales that are
# written out.
_TERMS = {"mul": ("weight", "gamma", "fusion"), "add": ("bias", "scale_shift_table")}
# A fold takes a few roundings in float32, of 6e-8 each.
FOLDING = 1e-6


@dataclass(frozen=True)
class Expected:
    """What a constant should hold.

    Attributes:
        role: of the constant in its module: weight, bias, …
        names: the tensors it is made of, by their names in the reference.
        values: float32 as they are, or float64 when they are computed.
        slack: how far each value may be off before it is rounded to the stored type; None when
            nothing is computed and every bit is known.
        stale: the values with the statistics of an untrained normalisation.
    """

    role: str
    names: tuple[str, ...]
    values: NDArray[Any]
    slack: NDArray[Any] | None = None
    stale: NDArray[Any] | None = None

    def allows(self, found: NDArray[Any]) -> bool:
        """Whether ``found`` is what these values become in its type; shapes may differ."""
        found, values = found.reshape(-1), self.values.reshape(-1)
        with np.errstate(over="ignore"):
            if self.slack is None:
                return bool(np.array_equal(found, values.astype(found.dtype)))
            slack = self.slack.reshape(-1)
            low, high = ((values + s).astype(found.dtype) for s in (-slack, slack))
        return bool(((low <= found) & (found <= high)).all())


@dataclass(frozen=True)
class ConstantRecipe:
    """How a constant is made; attributes as of :class:`Expected`."""

    role: str
    names: tuple[str, ...]
    size: int
    make: Callable[[Read], Expected]


def recipe_for(
    root: torch.nn.Module, module: str, kind: str, constant: ConstantOf
) -> ConstantRecipe | None:
    """How ``constant`` of a ``kind`` operation from ``module`` is made; None when nothing says.

    Args:
        root: the reference; only its modules and the shapes of its tensors are looked at.
        module: dotted path of the module that the operation came from.
        kind: of the operation, such as ``linear``.
        constant: one of its operands.
    """
    size = constant.constant.size
    roles = _TERMS.get(kind, (_ALIASES.get(constant.parameter, constant.parameter),))
    owner = module_at(root, module)
    if kind not in _TERMS and roles == ("bias",) and getattr(owner, "bias", owner) is None:
        zeros = np.zeros(size, np.float32)  # what an operation gets whose module has none
        return ConstantRecipe("bias", (), size, lambda read: Expected("bias", (), zeros))
    fitting = (r for r in _recipes(root, module) if r.size == size and r.role in roles)
    return next(fitting, None)


def expected_for(
    root: torch.nn.Module, module: str, kind: str, constant: ConstantOf, read: Read
) -> tuple[Expected, bool] | None:
    """What ``constant`` should hold, and whether :func:`recipe_for` says so.

    Otherwise it is the nearest of the tensors of the module and of those around it; None when none
    has as many elements.
    """
    values = constant.values
    if values.dtype.kind != "f" or values.size < 2:
        return None
    recipe = recipe_for(root, module, kind, constant)
    if recipe is not None:
        return recipe.make(read), True
    fitting = [r.make(read) for r in _recipes(root, module) if r.size == values.size]
    if not fitting:
        return None
    return min(fitting, key=lambda e: _distance(values, e.values)), False


def state(root: torch.nn.Module) -> dict[str, NDArray[Any]]:
    """Parameters and buffers of a reference by name, as arrays that share their memory."""
    tensors = (*root.named_parameters(), *root.named_buffers())
    return {name: values(tensor) for name, tensor in tensors}


def siblings(root: torch.nn.Module, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Tensors of the same shape near ``names[0]``: what it may have been taken for."""
    if not names:
        return {}
    parameters = dict(root.named_parameters())
    parameter = parameters.get(names[0])
    parent = names[0].rpartition(".")[0].rpartition(".")[0]
    return {
        name: values(other)
        for name, other in parameters.items()
        if parameter is not None
        and name not in names
        and name.startswith(parent)
        and other.shape == parameter.shape
    }


def values(tensor: torch.Tensor) -> NDArray[Any]:
    """A parameter as an array that shares its memory."""
    array: NDArray[Any] = tensor.detach().numpy()
    return array


def _distance(found: NDArray[Any], expected: NDArray[Any]) -> float:
    a = found.reshape(-1).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = float(np.linalg.norm(a - expected.reshape(-1)))
    return apart if np.isfinite(apart) else float("inf")


def _recipes(root: torch.nn.Module, module: str) -> Iterator[ConstantRecipe]:
    """Folded tensors first, then the module's own, then those of the modules around it."""
    yield from _folded(root, module)
    for path in lineage(module):
        owner = module_at(root, path)
        if owner is None:
            continue
        prefix = path + "." if path else ""
        if hasattr(owner, "layer_weights"):  # of the MCP: the softmax is computed at conversion
            yield _fusion(prefix, owner.layer_weights.numel())
        own = (*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False))
        for name, tensor in own:
            if tensor.is_floating_point():
                yield _as_is(name, prefix + name, tensor.numel())


def _as_is(role: str, name: str, size: int) -> ConstantRecipe:
    return ConstantRecipe(role, (name,), size, lambda read: Expected(role, (name,), read(name)))


def _fusion(prefix: str, size: int) -> ConstantRecipe:
    names = (prefix + "layer_weights", prefix + "temperature")

    def make(read: Read) -> Expected:
        scores = read(names[0]).astype(np.float64) / read(names[1]).astype(np.float64)
        powers = np.exp(scores - scores.max())
        shares = powers / powers.sum()
        return Expected("fusion", names, shares, FOLDING * shares)

    return ConstantRecipe("fusion", names, size, make)


def _folded(root: torch.nn.Module, module: str) -> Iterator[ConstantRecipe]:
    """A batch norm or a scale that was folded into the convolution before it."""
    owner = module_at(root, module)
    norm = hasattr(owner, "running_var") and hasattr(owner, "running_mean")
    if not norm and not hasattr(owner, "gamma"):
        return
    name = convolution_before(root, module)
    conv: Any = module_at(root, name) if name else None
    if conv is None:
        return
    bias = None if conv.bias is None else f"{name}.bias"
    if norm:
        yield from _folded_norm(f"{name}.weight", bias, module, conv.weight.shape, owner.eps)
    else:
        yield _scaled("weight", f"{name}.weight", f"{module}.gamma", conv.weight.numel())
        if bias is not None:
            yield _scaled("bias", bias, f"{module}.gamma", conv.bias.numel())


def _folded_norm(
    weight: str, bias: str | None, module: str, shape: tuple[int, ...], eps: float
) -> Iterator[ConstantRecipe]:
    parts = tuple(f"{module}.{n}" for n in ("weight", "bias", "running_mean", "running_var"))
    broadcast = (-1, *(1,) * (len(shape) - 1))

    def read_all(read: Read) -> tuple[NDArray[np.float64], ...]:
        gamma, beta, mean, variance = (read(part).astype(np.float64) for part in parts)
        return beta, mean, gamma / np.sqrt(variance + eps), gamma / np.sqrt(1 + eps)

    def make_weight(read: Read) -> Expected:
        _, _, scale, unit = read_all(read)
        raw = read(weight).astype(np.float64)
        made = raw * scale.reshape(broadcast)
        stale = raw * unit.reshape(broadcast)
        return Expected("weight", (weight, *parts), made, FOLDING * np.abs(made), stale)

    def make_bias(read: Read) -> Expected:
        beta, mean, scale, unit = read_all(read)
        before = np.zeros_like(mean) if bias is None else read(bias).astype(np.float64)
        # Terms that cancel leave the rounding of what they were.
        slack = FOLDING * ((np.abs(before) + np.abs(mean)) * np.abs(scale) + np.abs(beta))
        made = (before - mean) * scale + beta
        return Expected("bias", biases, made, slack, before * unit + beta)

    biases = parts if bias is None else (bias, *parts)
    yield ConstantRecipe("weight", (weight, *parts), int(np.prod(shape)), make_weight)
    yield ConstantRecipe("bias", biases, shape[0], make_bias)


def _scaled(role: str, name: str, gamma: str, size: int) -> ConstantRecipe:
    def make(read: Read) -> Expected:
        raw = read(name).astype(np.float64)
        made = raw * read(gamma).astype(np.float64).reshape(-1, *(1,) * (raw.ndim - 1))
        return Expected(role, (name, gamma), made, FOLDING * np.abs(made))

    return ConstantRecipe(role, (name, gamma), size, make)
