"""What a package's constants should be: which of the reference's tensors, as they are or folded.

Only modules are needed to find a constant's recipe; values are read when it is made, so that a
package can be compared tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.stored_values import folding
from mobileo_export.parity.stored_values.expected import FOLDING, ConstantRecipe, Expected, Read
from mobileo_export.parity.stored_values.package_graph import ConstantOf, lineage
from mobileo_export.reference.names import module_at

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

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


def _recipes(root: torch.nn.Module, module: str) -> Iterator[ConstantRecipe]:
    """Folded tensors first, then the module's own, then those of the modules around it."""
    fold = folding.find(root, module)
    if fold is not None:
        yield from fold.recipes()
    for path in lineage(module):
        owner = module_at(root, path)
        if owner is None:
            continue
        prefix = path + "." if path else ""
        if hasattr(owner, "layer_weights"):  # of the MCP: the softmax is computed at conversion
            yield fusion(prefix, owner.layer_weights.numel())
        own = (*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False))
        for name, tensor in own:
            if tensor.is_floating_point():
                yield as_is(name, prefix + name, tensor.numel())


def as_is(role: str, name: str, size: int) -> ConstantRecipe:
    """A tensor of ``size`` elements, to the bit."""
    return ConstantRecipe(role, (name,), size, lambda read: Expected(role, (name,), read(name)))


def fusion(prefix: str, size: int) -> ConstantRecipe:
    """The softmax over the projector's ``size`` layer weights, computed at conversion."""
    names = (prefix + "layer_weights", prefix + "temperature")

    def make(read: Read) -> Expected:
        scores = read(names[0]).astype(np.float64) / read(names[1]).astype(np.float64)
        powers = np.exp(scores - scores.max())
        shares = powers / powers.sum()
        return Expected("fusion", names, shares, FOLDING * shares)

    return ConstantRecipe("fusion", names, size, make)
