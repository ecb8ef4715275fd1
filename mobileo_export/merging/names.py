"""Which tensor of the base a trained tensor belongs to, whatever wrapped the model in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.checkpoint.model_config import MCP, VISION

if TYPE_CHECKING:
    from collections.abc import Container

# What DeepSpeed, PEFT, and models that hold the language model, or diffusers' pipelines that hold
# the diffusion transformer, as a part put before a name.
_WRAPPERS = (
    "module.", "base_model.model.", "base_model.", "language_model.", "transformer.", "model.",
)  # fmt: skip
_ROOT = "model."
_ALONE = ("model.dit.", MCP, VISION)  # parts that are trained without the rest


def find(name: str, base: Container[str]) -> str | None:
    """The name in ``base`` of a trained tensor; None when the base has no such tensor.

    ``base_model.model.model.layers.0.mlp.up_proj.weight``, ``module.base_model.model.model.…``,
    ``language_model.model.layers.…``, ``model.language_model.layers.…`` and ``layers.…`` all name
    name ``model.layers.0.mlp.up_proj.weight``. A part that was trained alone has its own names:
    ``transformer_blocks.0.attn1.to_q.weight`` is the diffusion transformer's. A name that fits
    several parts names none.
    """
    while True:
        for candidate in (name, _ROOT + name):
            if candidate in base:
                return candidate
        alone = [part + name for part in _ALONE if part + name in base]
        if alone:
            return alone[0] if len(alone) == 1 else None
        wrapper = next((prefix for prefix in _WRAPPERS if name.startswith(prefix)), None)
        if wrapper is None:
            return None
        name = name.removeprefix(wrapper)
