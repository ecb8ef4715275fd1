"""Which tensor of a checkpoint a module of a component's reference holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.model_config import MCP, PROJECTOR, VISION
from mobileo_export.reference.timm_names import timm_name

if TYPE_CHECKING:
    import torch

    from mobileo_export.checkpoint.folder import Checkpoint


def checkpoint_names(component: str, checkpoint: Checkpoint) -> dict[str, str]:
    """Name in the reference's state → name in the checkpoint."""
    model = checkpoint.model
    if component == "dit":
        return {
            f"transformer.{n}": f"model.dit.{n}" for n in expected_tensors.dit(model.diffusion.dit)
        }
    if component == "vae_decoder":
        names = expected_tensors.vae_decoder(model.diffusion.vae)
        return {f"decoder.{n}": f"model.vae.decoder.{n}" for n in names}
    if component == "mcp":
        return {n: MCP + n for n in expected_tensors.mcp(model.mcp)}
    if component == "vision_encoder":
        names = expected_tensors.vision_encoder(model.vision)
        return {f"tower.{timm_name(n, model.vision)}": VISION + n for n in names}
    names = expected_tensors.image_projector(model.vision, model.llm)
    return {
        **{f"language_model.{n}": n for n in expected_tensors.language_model(model.llm)},
        **{f"projector.{n}": PROJECTOR + n for n in names},
    }


def module_at(root: torch.nn.Module, path: str) -> Any:
    """The module at a dotted path, None when there is none."""
    try:
        return root.get_submodule(path)
    except AttributeError:
        return None


def matrix_of(root: torch.nn.Module, module: str) -> str | None:
    """Name in the state of the matrix that a convolution or a linear operation takes.

    ``module`` is what the operation came from: of a convolution that a norm or a scale was
    multiplied into, the norm or the scale. None when it has no matrix.
    """
    owner = module_at(root, module)
    if hasattr(owner, "running_var") or hasattr(owner, "gamma"):
        module = convolution_before(root, module) or ""
        owner = module_at(root, module)
    weight = getattr(owner, "weight", None)
    return f"{module}.weight" if weight is not None and weight.ndim >= 2 else None


def convolution_before(root: torch.nn.Module, module: str) -> str | None:
    """The last convolution that stands before ``module`` among its siblings' descendants."""
    parent = module.rpartition(".")[0]
    owner = module_at(root, parent)
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
