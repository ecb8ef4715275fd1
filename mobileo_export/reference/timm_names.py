"""What timm calls the tensors of the vision tower, which a checkpoint names as Apple does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import VisionConfig

CLIP_HEAD = "head.proj"  # the pooled CLIP embedding: Mobile-O takes the grid before it
_RENAMES = (
    (r"^patch_embed\.", "stem."),
    (r"^conv_exp\.", "final_conv."),
    (r"\.lkb_reparam\.", ".reparam_conv."),
    (r"\.convffn\.", ".mlp."),
    (r"\.se\.reduce\.", ".se.fc1."),
    (r"\.se\.expand\.", ".se.fc2."),
    (r"\.(layer_scale(?:_[12])?)$", r".\1.gamma"),
)


def timm_name(name: str, config: VisionConfig) -> str:
    """The name that timm gives to tensor ``name`` of Apple's implementation.

    Apple numbers downsamplings, position encodings and stages in one flat list; timm groups them
    by stage.
    """
    match = re.match(r"network\.(\d+)\.(.*)", name)
    if match:
        index, rest = int(match.group(1)), match.group(2)
        name = _homes(config)[index] + rest
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _homes(config: VisionConfig) -> list[str]:
    """Where each item of the flat ``network`` list lives in timm."""
    homes = []
    for index, stage in enumerate(config.stages):
        if stage.downsample:
            homes.append(f"stages.{index}.downsample.")
        if stage.position_encoding:
            homes.append(f"stages.{index}.pos_emb.")
        homes.append(f"stages.{index}.blocks.")
    return homes
