"""Low-rank adapters on the language model, and how PEFT names them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from mobileo_export.reference.llm import LanguageModel

RANK, ALPHA = 16, 32
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_PREFIX = "base_model.model."


class LoraLinear(nn.Module):
    """W·x + (α / r)·B·A·x with W frozen; B starts at zero."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base.requires_grad_(False)
        self.lora_A = nn.Linear(base.in_features, RANK, bias=False)
        self.lora_B = nn.Linear(RANK, base.out_features, bias=False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., inputs] to [..., outputs]."""
        y: torch.Tensor = self.base_layer(x) + self.lora_B(self.lora_A(x)) * (ALPHA / RANK)
        return y


def attach(module: LanguageModel) -> LanguageModel:
    """Put adapters on every target, in place; nothing else of the language model learns."""
    module.language_model.requires_grad_(False)
    for layer in module.language_model.model.layers:
        for block in (layer.self_attn, layer.mlp):
            for name in TARGETS:
                if hasattr(block, name):
                    setattr(block, name, LoraLinear(getattr(block, name)))
    return module


def save(folder: Path, module: LanguageModel, others: dict[str, torch.Tensor], base: str) -> None:
    """Write what PEFT writes: the adapter and its configuration, and ``others`` beside it.

    Args:
        folder: to write to.
        module: with adapters.
        others: what was trained without adapters, by its name in a checkpoint.
        base: the name of the checkpoint that was trained on.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    factors = {
        f"{_PREFIX}{name}": tensor.detach().contiguous()
        for name, tensor in module.language_model.state_dict().items()
        if ".lora_" in name
    }
    save_file(factors, folder / "adapter_model.safetensors")
    beside = {_PREFIX + name: tensor.detach().contiguous() for name, tensor in others.items()}
    save_file(beside, folder / "non_lora_trainables.safetensors")
    config = {
        "base_model_name_or_path": base,
        "bias": "none",
        "lora_alpha": ALPHA,
        "peft_type": "LORA",
        "r": RANK,
        "target_modules": list(TARGETS),
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
