"""How a checkpoint is divided over files: as the merge script of the release does it."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from mobileo_export import sizes
from mobileo_export.checkpoint.safetensors_file import Shape, tensor_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Above this size the merge script shards, by number of tensors.
LIMIT = 5 << 30
_SPARE = 64 << 20  # headers, tokenizer, file system


def total_bytes(plan: Mapping[str, tuple[str, Shape]]) -> int:
    """Bytes of all tensors."""
    return sum(tensor_bytes(*entry) for entry in plan.values())


def check_disk(output: Path, plan: Mapping[str, tuple[str, Shape]]) -> None:
    """Raise UsageError unless there is room for a checkpoint of these tensors at ``output``."""
    parent, needed = output.absolute().parent, total_bytes(plan) + _SPARE
    sizes.check_disk(parent, needed, "the checkpoint takes", "choose another output")


def split(plan: Mapping[str, tuple[str, Shape]], limit: int = LIMIT) -> dict[str, list[str]]:
    """File name -> tensors: one file, or above ``limit`` several with equally many tensors."""
    count = -(-total_bytes(plan) // limit)
    if count <= 1:
        return {"model.safetensors": list(plan)}
    names, each = iter(plan), -(-len(plan) // count)
    return {
        f"model-{index + 1:05}-of-{count:05}.safetensors": list(islice(names, each))
        for index in range(count)
    }


def index(shards: Mapping[str, list[str]], total: int) -> str:
    """The text of ``model.safetensors.index.json``."""
    weight_map = {name: file for file, names in shards.items() for name in names}
    content = {"metadata": {"total_size": total}, "weight_map": weight_map}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
