"""What was trained, as a checkpoint in the released layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from miniature.modules import Tensors
from mobileo_export.checkpoint import diffusion_config, license
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.checkpoint.safetensors_file import to_bfloat16
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from mobileo_export.components import COMPONENTS
from mobileo_export.merging import merge
from mobileo_export.random_checkpoint import write as random_checkpoint

WEIGHTS = "model.safetensors"
LIMIT = 8_000_000  # bytes of weights that the package ships
TERMS = license.Terms(license.TOOLKIT, "mobileo-export, trained from nothing on drawn shapes")
_CARD = """\
# The miniature

A small Mobile-O of the same five components and layout, trained on drawn shapes by the programs in
`miniature/` of mobileo-export; no other weights went into it.
"""


def write(folder: Path, model: ModelConfig, tokenizer: Path, tensors: Tensors) -> Path:
    """Write a checkpoint: bfloat16 weights, tokenizer, configurations; replace what is there.

    Raises:
        ValueError: the tensors are not those of ``model``.
    """
    plan = random_checkpoint.tensors(model, nested=False)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wanted = {name: shape for name, (_, shape) in plan.items()}
    if found != wanted:
        raise ValueError(f"not the tensors of the model: {sorted(set(found) ^ set(wanted))[:5]}")
    partial = folder.with_name(folder.name + ".new")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(tokenizer, partial)
    diffusion_config.save(model.diffusion, partial / model.diffusion.name)
    (partial / license.CARD).write_text(license.card(TERMS, _CARD), encoding="utf-8")
    (partial / "config.json").write_text(json.dumps(config(model), indent=2, sort_keys=True) + "\n")
    with SafetensorsWriter(partial / WEIGHTS, plan) as writer:
        for name, (dtype, _) in plan.items():
            values = tensors[name].detach().numpy()
            if dtype == "I64":
                writer.write(name, values.astype(np.int64))
            else:
                writer.write(name, to_bfloat16(np.array(values, np.float32, order="C")))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def config(model: ModelConfig) -> dict[str, Any]:
    """``config.json`` as the released one has it."""
    content = random_checkpoint.config(model)
    del content["mobileo_export"]  # these weights are not random
    content["mm_vision_tower"] = f"mobileclip_miniature_{model.vision.image_size}"
    return content


def read(checkpoint: Checkpoint, prefixes: tuple[str, ...]) -> Tensors:
    """Tensors of a checkpoint in float32, so that the last stage starts from what is stored."""
    return {
        name: torch.from_numpy(checkpoint.read(name, "released"))
        for name in checkpoint.top_level
        if name.startswith(prefixes)
    }


def promote(base: Path, adapter: Path, output: Path) -> Path:
    """Merge what stage 3 trained into its base by our own ``merge-lora``."""
    shutil.rmtree(output, ignore_errors=True)
    merge.merge(Checkpoint.open(base), adapter, output, merge.MergeOptions())
    (output / license.CARD).write_text(license.card(TERMS, _CARD), encoding="utf-8")
    return output


def check(folder: Path) -> None:
    """Refuse a checkpoint that is incomplete or too large to ship.

    Raises:
        CheckpointError: a component does not fit.
        ValueError: it is too large.
    """
    checkpoint = Checkpoint.open(folder)
    for component in COMPONENTS.values():
        component.check(checkpoint)
    size = sum(path.stat().st_size for path in checkpoint.files)
    if size > LIMIT:
        raise ValueError(f"{folder}: {size:,} bytes of weights, at most {LIMIT:,} are shipped")
