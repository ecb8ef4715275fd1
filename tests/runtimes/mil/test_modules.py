"""Small random models of the four kinds that matter, against PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from mobileo_export.errors import UsageError
from mobileo_export.runtimes.mil import MilRuntime

from .export import convert, relative_l2

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def check(
    module: nn.Module, inputs: Mapping[str, torch.Tensor], package: Path, tolerance: float
) -> None:
    with torch.no_grad():
        expected = module(*inputs.values()).numpy()
    session = MilRuntime().load(package)
    actual = session.run({name: value.numpy() for name, value in inputs.items()})["output"]
    assert actual.shape == expected.shape
    assert relative_l2(actual, expected) < tolerance


class Denoiser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        from diffusers import SanaTransformer2DModel

        self.model = SanaTransformer2DModel(
            in_channels=8,
            out_channels=8,
            num_layers=2,
            num_attention_heads=4,
            attention_head_dim=8,
            num_cross_attention_heads=2,
            cross_attention_head_dim=16,
            cross_attention_dim=32,
            caption_channels=24,
            sample_size=8,
            patch_size=1,
        )

    def forward(
        self, latent: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        return self.model(latent, text, timestep, encoder_attention_mask=mask, return_dict=False)[0]


def denoiser_inputs(length: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(length)
    mask = torch.ones(1, length)
    mask[:, length // 2 :] = 0
    return {
        "latent": torch.randn(1, 8, 8, 8, generator=generator),
        "timestep": torch.tensor([731.0]),
        "text": torch.randn(1, length, 24, generator=generator),
        "mask": mask,
    }


def test_sana_transformer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Denoiser().eval()
    package = convert(module, denoiser_inputs(7), tmp_path / "dit.mlpackage")
    check(module, denoiser_inputs(7), package, 3e-6)


def test_dc_ae_decoder(tmp_path: Path) -> None:
    from diffusers import AutoencoderDC

    torch.manual_seed(0)
    model = AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=8,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(16, 32),
        decoder_block_out_channels=(16, 32),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        upsample_block_type="interpolate",
        downsample_block_type="Conv",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
    ).eval()
    module = model.decoder
    inputs = {"latent": torch.randn(1, 4, 6, 6)}
    package = convert(module, inputs, tmp_path / "vae.mlpackage")
    check(module, inputs, package, 3e-6)


def test_fastvit(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(0)
    module = timm.create_model(
        "fastvit_sa12",
        pretrained=False,
        num_classes=0,
        global_pool="",
        layers=(1, 1, 1, 1),
        embed_dims=(8, 16, 32, 64),
    ).eval()
    inputs = {"image": torch.rand(1, 3, 128, 128)}
    package = convert(module, inputs, tmp_path / "vision.mlpackage")
    check(module, inputs, package, 3e-6)


class Projector(nn.Module):
    """Fused layers, a short convolution along the sequence, gates: as the MCP connector."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(3))
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.gate = nn.Linear(width, width)
        self.out = nn.Linear(width, 24)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        weights = torch.softmax(self.weights, 0).reshape(-1, 1, 1, 1)
        x = self.norm((hidden * weights).sum(0))
        mixed = self.mix(x.transpose(1, 2)).transpose(1, 2)
        x = x + nn.functional.hardswish(mixed) * torch.sigmoid(self.gate(x.mean(1, keepdim=True)))
        return self.out(x)


def test_projector_over_its_range_of_lengths(tmp_path: Path) -> None:
    import coremltools as ct

    torch.manual_seed(0)
    module = Projector().eval()
    example = {"hidden": torch.randn(3, 1, 77, 16)}
    shape = ct.Shape((3, 1, ct.RangeDim(8, 768, default=77), 16))
    package = convert(module, example, tmp_path / "mcp.mlpackage", shapes={"hidden": shape})
    for length in (8, 9, 77, 768):
        check(module, {"hidden": torch.randn(3, 1, length, 16)}, package, 1e-6)
    session = MilRuntime().load(package)
    assert session.signature.inputs[0].sizes[2] == (8, 768)
    for length in (7, 769):
        with pytest.raises(UsageError, match=r"size \d+ on axis 2, expected 8\.\.768"):
            session.run({"hidden": np.zeros((3, 1, length, 16), np.float32)})


class Embedding(nn.Module):
    """Flexible shapes through ``shape``, ``gather``, ``concat`` and ``cast``."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 12)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.table(tokens)
        batch, length, width = x.shape
        heads = x.reshape(batch, length, 3, width // 3).transpose(1, 2)
        scores = torch.softmax(heads @ heads.transpose(-1, -2) + length**0.5, -1)
        pooled = torch.nn.functional.interpolate(
            (scores @ heads).transpose(1, 2).reshape(batch, length, width).transpose(1, 2),
            scale_factor=2.0,
        )
        return torch.cat([pooled, pooled.flip(2)], 1)


def test_flexible_shapes(tmp_path: Path) -> None:
    import coremltools as ct

    torch.manual_seed(0)
    module = Embedding().eval()
    tokens = {"tokens": torch.randint(0, 50, (1, 9), dtype=torch.int32)}
    shape = ct.Shape((1, ct.RangeDim(2, 64, default=9)))
    package = convert(module, tokens, tmp_path / "e.mlpackage", shapes={"tokens": shape})
    for length in (2, 9, 64):
        inputs = {"tokens": torch.randint(0, 50, (1, length), dtype=torch.int32)}
        check(module, inputs, package, 1e-6)


def test_half_precision_package(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 4, 3)).eval()
    inputs = {"image": torch.rand(1, 3, 12, 12)}
    package = convert(module, inputs, tmp_path / "half.mlpackage", half=True)
    check(module, inputs, package, 2e-3)
    session = MilRuntime().load(package)
    assert session.signature.inputs[0].dtype == "float32"
    seen: list[np.ndarray] = []
    session.run(
        {"image": inputs["image"].numpy()},
        on_op=lambda op, outputs: seen.extend(
            value.copy() for value in outputs.values() if op.kind == "conv"
        ),
    )
    assert len(seen) == 2
    for value in seen:
        np.testing.assert_array_equal(value, value.astype(np.float16).astype(np.float32))
