"""Adapters as PEFT saves them, made in the tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.merging.adapter_config import CONFIG

from ..surgery import save

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

PREFIX = "base_model.model."
WEIGHTS = "adapter_model.safetensors"
LAYER = "model.layers.1."
Q, K, DOWN = (LAYER + name for name in ("self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj"))
EMBEDDINGS, HEAD = "model.embed_tokens", "lm_head"
CONNECTOR = "model.diffusion_connector.fusion.output_proj.0.weight"
RANK, ALPHA = 4, 12


def random(shape: tuple[int, ...], seed: int = 0, scale: float = 0.05) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def factors(
    base: Checkpoint, module: str, rank: int = RANK, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """A and B of one module, under the names of PEFT."""
    rows, columns = base.top_level[module + ".weight"].shape
    if module == EMBEDDINGS:
        return {
            f"{PREFIX}{module}.lora_embedding_A": random((rank, rows), seed + 1),
            f"{PREFIX}{module}.lora_embedding_B": random((columns, rank), seed + 2),
        }
    return {
        f"{PREFIX}{module}.lora_A.weight": random((rank, columns), seed + 1),
        f"{PREFIX}{module}.lora_B.weight": random((rows, rank), seed + 2),
    }


def write(folder: Path, values: Mapping[str, NDArray[np.float32]], **config: Any) -> Path:
    """An adapter folder; ``config`` changes fields of its configuration, ``...`` removes them."""
    folder.mkdir(exist_ok=True)
    fields = {
        "peft_type": "LORA",
        "r": RANK,
        "lora_alpha": ALPHA,
        "target_modules": sorted({name.split(".lora_")[0].split(".")[-1] for name in values}),
        "use_dora": False,
        "init_lora_weights": True,
        **config,
    }
    content = {name: value for name, value in fields.items() if value is not ...}
    (folder / CONFIG).write_text(json.dumps(content))
    save(folder / WEIGHTS, {name: ("F32", array) for name, array in values.items()})
    return folder


def bfloat16(values: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Independent of the product: the nearest of the two neighbours, in float64."""
    lower = (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint32)
    best = np.zeros(values.shape, np.uint32)
    distance = np.full(values.shape, np.inf)
    # Downwards last would prefer odd neighbours at a tie; even ones are tried last and win it.
    candidates = [lower + np.uint32(offset) for offset in (0, 1)]
    candidates.append(np.maximum(lower, 1) - np.uint32(1))
    for odd in (1, 0):
        for candidate in candidates:
            found = (candidate << 16).view(np.float32).astype(np.float64)
            gap = np.abs(found - values)
            better = (candidate % 2 == odd) & ((gap < distance) | ((gap == distance) & (odd == 0)))
            best, distance = np.where(better, candidate, best), np.where(better, gap, distance)
    return best.astype(np.uint16)
