"""Which tensor of the base a trained tensor belongs to, whatever wrapped the model in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

# What DeepSpeed, PEFT, and models that hold the language model as a part put before a name.
_WRAPPERS = ("module.", "base_model.model.", "base_model.", "language_model.", "model.")
_ROOT = "model."


def find(name: str, base: Container[str]) -> str | None:
    """The name in ``base`` of a trained tensor; None when the base has no such tensor.

    ``base_model.model.model.layers.0.mlp.up_proj.weight``, ``module.base_model.model.model.…``,
    ``language_model.model.layers.…``, ``model.language_model.layers.…`` and ``layers.…`` all name
    ``model.layers.0.mlp.up_proj.weight``.
    """
    while True:
        for candidate in (name, _ROOT + name):
            if candidate in base:
                return candidate
        wrapper = next((prefix for prefix in _WRAPPERS if name.startswith(prefix)), None)
        if wrapper is None:
            return None
        name = name.removeprefix(wrapper)
