"""What the constants of a package should be: the reference's tensors, as conversion folds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import layout
from mobileo_export.model_config import MCP, PROJECTOR, VISION
from mobileo_export.parity.explain.graph import ConstantOf, lineage

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from mobileo_export.checkpoint import Checkpoint

# What operations call a normalisation's tensors.
_ALIASES = {
    "gamma": "weight",
    "beta": "bias",
    "mean": "running_mean",
    "variance": "running_var",
}


@dataclass(frozen=True)
class Expected:
    """A tensor as it should be stored; ``names`` are those it is made of, in the reference."""

    role: str  # weight, bias, …
    names: tuple[str, ...]
    values: NDArray[Any]
    stale: NDArray[Any] | None = None  # with the statistics of an untrained normalisation


def expected_for(
    root: torch.nn.Module, module: str, constant: ConstantOf
) -> tuple[Expected, bool] | None:
    """What ``constant`` of an operation from ``module`` should hold, and whether its role says so.

    None when no tensor of the module or of those around it has as many elements.
    """
    values = constant.values
    if values.dtype.kind != "f" or values.size < 2:
        return None
    role = _ALIASES.get(constant.parameter, constant.parameter)
    owner = _get(root, module)
    if role == "bias" and owner is not None and getattr(owner, "bias", owner) is None:
        return Expected("bias", (), np.zeros(values.shape, np.float32)), True
    fitting = [e for e in _candidates(root, module) if e.values.size == values.size]
    if not fitting:
        return None
    for candidate in fitting:
        if candidate.role == role:
            return candidate, True
    return min(fitting, key=lambda e: _distance(values, e.values)), False


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


def checkpoint_names(component: str, checkpoint: Checkpoint) -> dict[str, str]:
    """Name in the reference's state → name in the checkpoint."""
    model = checkpoint.model
    if component == "dit":
        return {f"transformer.{n}": f"model.dit.{n}" for n in layout.dit(model.diffusion.dit)}
    if component == "vae_decoder":
        names = layout.vae_decoder(model.diffusion.vae)
        return {f"decoder.{n}": f"model.vae.decoder.{n}" for n in names}
    if component == "mcp":
        return {n: MCP + n for n in layout.mcp(model.mcp)}
    if component == "vision_encoder":
        from mobileo_export.reference.vision_encoder import timm_name

        names = layout.vision_encoder(model.vision)
        return {f"tower.{timm_name(n, model.vision)}": VISION + n for n in names}
    names = layout.image_projector(model.vision, model.llm)
    return {
        **{f"language_model.{n}": n for n in layout.language_model(model.llm)},
        **{f"projector.{n}": PROJECTOR + n for n in names},
    }


def _distance(found: NDArray[Any], expected: NDArray[Any]) -> float:
    a = found.reshape(-1).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = float(np.linalg.norm(a - expected.reshape(-1)))
    return apart if np.isfinite(apart) else float("inf")


def _candidates(root: torch.nn.Module, module: str) -> Iterator[Expected]:
    """Folded tensors first, then the module's own, then those of the modules around it."""
    yield from _folded(root, module)
    for path in lineage(module):
        owner = _get(root, path)
        if owner is None:
            continue
        if hasattr(owner, "layer_weights"):  # of the MCP: the softmax is computed at conversion
            import torch

            fused = torch.softmax(owner.layer_weights / owner.temperature, dim=0)
            yield Expected("y", ("layer_weights", "temperature"), values(fused))
        prefix = path + "." if path else ""
        own = (*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False))
        for name, tensor in own:
            if tensor.is_floating_point():
                yield Expected(name, (prefix + name,), values(tensor))


def _folded(root: torch.nn.Module, module: str) -> Iterator[Expected]:
    """A batch norm or a scale that was folded into the convolution before it."""
    owner = _get(root, module)
    if owner is None:
        return
    if hasattr(owner, "running_var") and hasattr(owner, "running_mean"):
        name = _convolution_before(root, module)
        conv: Any = _get(root, name) if name else None
        if conv is None:
            return
        norm: Any = owner
        gamma, beta = (values(t).astype(np.float64) for t in (norm.weight, norm.bias))
        mean, variance = (
            values(t).astype(np.float64) for t in (norm.running_mean, norm.running_var)
        )
        bias = 0.0 if conv.bias is None else values(conv.bias).astype(np.float64)
        scale, unit = gamma / np.sqrt(variance + norm.eps), gamma / np.sqrt(1 + norm.eps)
        weight = values(conv.weight).astype(np.float64)
        shape = (-1, *(1,) * (weight.ndim - 1))
        parts = tuple(f"{module}.{n}" for n in ("weight", "bias", "running_mean", "running_var"))
        yield Expected(
            "weight",
            (f"{name}.weight", *parts),
            weight * scale.reshape(shape),
            weight * unit.reshape(shape),
        )
        stale = np.broadcast_to(bias * unit + beta, mean.shape)
        yield Expected("bias", parts, (bias - mean) * scale + beta, stale)
    elif hasattr(owner, "gamma"):
        name = _convolution_before(root, module)
        conv = _get(root, name) if name else None
        if conv is None:
            return
        gamma = values(owner.gamma).astype(np.float64)
        weight = values(conv.weight).astype(np.float64)
        scaled = weight * gamma.reshape(-1, *(1,) * (weight.ndim - 1))
        yield Expected("weight", (f"{name}.weight", f"{module}.gamma"), scaled)
        if conv.bias is not None:
            scaled = values(conv.bias).astype(np.float64) * gamma.reshape(-1)
            yield Expected("bias", (f"{name}.bias", f"{module}.gamma"), scaled)


def _convolution_before(root: torch.nn.Module, module: str) -> str | None:
    """The last convolution that stands before ``module`` among its siblings' descendants."""
    parent = module.rpartition(".")[0]
    owner = _get(root, parent)
    found = None
    for name, child in owner.named_modules(prefix=parent) if owner is not None else ():
        if name == module:
            break
        if type(child).__name__.startswith("Conv"):
            found = name
    if found is None and owner is not None:  # the scale is declared first, and applied last
        convolutions = [
            name
            for name, child in owner.named_modules(prefix=parent)
            if type(child).__name__.startswith("Conv") and ".mlp." in name
        ]
        found = convolutions[-1] if convolutions else None
    return found


def _get(root: torch.nn.Module, path: str) -> Any:
    try:
        return root.get_submodule(path)
    except AttributeError:
        return None
