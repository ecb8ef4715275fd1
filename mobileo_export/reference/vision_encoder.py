"""The FastViTHD vision encoder: timm's ``FastVit`` as ``fastvit_mci3`` configures it.

The checkpoint uses the names of Apple's implementation; both describe one network, so the tensors
are renamed. timm's own converter expects the names of the training form and cannot be used.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.model_config import VISION, VISION_HEAD_DIM, VisionConfig
from mobileo_export.reference import loading
from mobileo_export.reference.timm_names import CLIP_HEAD, timm_name

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.reference.loading import TensorSource


class VisionEncoder(torch.nn.Module):
    """Picture to a grid of features. All tensors float32."""

    def __init__(self, tower: torch.nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features before the image projector.

        Args:
            images: [1, 3, S, S], RGB in 0 to 1, not normalised.

        Returns:
            [1, M, F], the grid row by row.
        """
        grid: torch.Tensor = self.tower.forward_features(images)  # type: ignore[operator]
        return grid.flatten(2).transpose(1, 2)


def assemble(config: VisionConfig, source: TensorSource, weights: Weights) -> VisionEncoder:
    """The encoder with the values of ``source``, which need not be a checkpoint."""
    names = {
        f"tower.{timm_name(name, config)}": VISION + name
        for name in expected_tensors.vision_encoder(config)
        if name != CLIP_HEAD
    }
    return loading.load(lambda: construct(config), names, source, weights)


def construct(config: VisionConfig, inference_mode: bool = True) -> VisionEncoder:
    """The network, its values not set: in inference form, or in the branched form of training."""
    from timm.layers import LayerNorm2d, SqueezeExcite
    from timm.models.fastvit import Attention, FastVit, RepConditionalPosEnc

    stages = config.stages
    position_encoding = partial(RepConditionalPosEnc, spatial_shape=(7, 7))
    tower = FastVit(
        layers=tuple(stage.num_blocks for stage in stages),
        token_mixers=tuple("attention" if stage.attention else "repmixer" for stage in stages),
        embed_dims=tuple(stage.dim for stage in stages),
        mlp_ratios=(config.mlp_ratio,) * len(stages),
        downsamples=tuple(stage.downsample for stage in stages),
        se_downsamples=(False,) * len(stages),
        pos_embs=tuple(position_encoding if stage.position_encoding else None for stage in stages),
        lkc_use_act=True,
        stem_use_scale_branch=False,
        cls_ratio=config.feature_dim / stages[-1].dim,
        norm_layer=partial(LayerNorm2d, eps=1e-5),
        num_classes=0,
        inference_mode=inference_mode,
    )
    tower.final_conv.se = SqueezeExcite(config.feature_dim, rd_channels=config.squeeze_dim)
    for module in tower.modules():
        if isinstance(module, Attention):
            if module.head_dim != VISION_HEAD_DIM:
                raise AssertionError(f"timm builds heads of {module.head_dim}")
            # TIMM_FUSED_ATTN must not decide what a conversion looks like.
            module.fused_attn = True
    return VisionEncoder(tower)
