"""What tests of random checkpoints share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobileo_export.random_checkpoint import models

if TYPE_CHECKING:
    import torch


TINY = models.model("tiny")


def run(module: torch.nn.Module, inputs: dict[str, Any]) -> list[torch.Tensor]:
    import torch

    outputs = module(*(torch.from_numpy(array) for array in inputs.values()))
    return list(outputs) if isinstance(outputs, tuple) else [outputs]
