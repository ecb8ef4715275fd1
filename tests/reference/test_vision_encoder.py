from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional

from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.model_config import VISION
from mobileo_export.components import COMPONENTS
from mobileo_export.random_checkpoint import models
from mobileo_export.reference import vision_encoder
from mobileo_export.reference.timm_names import timm_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mobileo_export.checkpoint.folder import Checkpoint

RELEASED = models.model("0.5b").vision


class FastViTHD:
    """The network again, as plain functions of the stored tensors, in float64, without timm."""

    def __init__(self, stored: dict[str, torch.Tensor], head_dim: int = 32) -> None:
        self.head_dim = head_dim
        self.p = {
            name.removeprefix(VISION): tensor.double()
            for name, tensor in stored.items()
            if name.startswith(VISION)
        }

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = x.double()
        for index, (stride, depthwise) in enumerate([(2, False), (2, True), (1, False)]):
            x = functional.gelu(
                self.conv(x, f"patch_embed.{index}.reparam_conv", stride, depthwise)
            )
        for index in range(1 + max(int(n.split(".")[1]) for n in self.p if n[:7] == "network")):
            name = f"network.{index}."
            if name + "proj.1.reparam_conv.weight" in self.p:
                x = functional.gelu(self.conv(x, name + "proj.0.lkb_reparam", 2, True))
                x = functional.gelu(self.conv(x, name + "proj.1.reparam_conv"))
            elif name + "reparam_conv.weight" in self.p:
                x = self.conv(x, name + "reparam_conv", 1, True)
            else:
                x = self.stage(x, name)
        x = self.conv(x, "conv_exp.reparam_conv", 1, True)
        squeezed = functional.relu(self.conv(x.mean((2, 3), keepdim=True), "conv_exp.se.reduce"))
        x = functional.gelu(x * torch.sigmoid(self.conv(squeezed, "conv_exp.se.expand")))
        batch, channels, height, width = x.shape
        rows = [x[0, :, i, j] for i in range(height) for j in range(width)]
        return torch.stack(rows).reshape(batch, height * width, channels)

    def stage(self, x: torch.Tensor, stage: str) -> torch.Tensor:
        block = 0
        while (name := f"{stage}{block}.") + "convffn.fc1.weight" in self.p:
            if name + "token_mixer.qkv.weight" in self.p:
                x = x + self.p[name + "layer_scale_1"] * self.attention(x, name)
                x = x + self.p[name + "layer_scale_2"] * self.mlp(x, name)
            else:
                x = self.conv(x, name + "token_mixer.reparam_conv", 1, True)
                x = x + self.p[name + "layer_scale"] * self.mlp(x, name)
            block += 1
        return x

    def attention(self, x: torch.Tensor, name: str) -> torch.Tensor:
        batch, channels, height, width = x.shape
        centred = x - x.mean(1, keepdim=True)
        x = centred / ((centred**2).mean(1, keepdim=True) + 1e-5).sqrt()
        tokens = (
            x.flatten(2).transpose(1, 2) * self.p[name + "norm.weight"] + self.p[name + "norm.bias"]
        )
        heads = channels // self.head_dim
        qkv = tokens @ self.p[name + "token_mixer.qkv.weight"].T
        q, k, v = (
            t.reshape(batch, -1, heads, self.head_dim).transpose(1, 2) for t in qkv.chunk(3, dim=-1)
        )
        attention = torch.softmax(q * self.head_dim**-0.5 @ k.transpose(-1, -2), -1)
        mixed = (attention @ v).transpose(1, 2).flatten(2)
        weight, bias = (self.p[f"{name}token_mixer.proj.{part}"] for part in ("weight", "bias"))
        mixed = (mixed @ weight.T + bias).transpose(1, 2)
        return torch.reshape(mixed, (batch, channels, height, width))

    def mlp(self, x: torch.Tensor, name: str) -> torch.Tensor:
        weight = self.p[name + "convffn.conv.conv.weight"]
        x = functional.conv2d(x, weight, padding=3, groups=len(weight))
        mean, variance, gain, bias = (
            self.p[f"{name}convffn.conv.bn.{part}"].reshape(-1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = (x - mean) / (variance + 1e-5).sqrt() * gain + bias
        return self.conv(functional.gelu(self.conv(x, name + "convffn.fc1")), name + "convffn.fc2")

    def conv(
        self, x: torch.Tensor, name: str, stride: int = 1, grouped: bool = False
    ) -> torch.Tensor:
        weight = self.p[name + ".weight"]
        groups = x.shape[1] if grouped else 1
        padding = weight.shape[-1] // 2
        return functional.conv2d(x, weight, self.p[name + ".bias"], stride, padding, groups=groups)


@torch.inference_mode()
def test_equals_an_independent_implementation(
    checkpoint: Checkpoint, stored: dict[str, torch.Tensor]
) -> None:
    component = COMPONENTS["vision_encoder"]
    images = torch.from_numpy(component.example_inputs(checkpoint.model)["images"])
    expected = FastViTHD(stored)(images)
    features = component.reference(checkpoint, "released")(images)
    assert expected.std() > 0.01
    torch.testing.assert_close(
        features.double(), expected, rtol=0, atol=2e-6 * float(expected.abs().max())
    )


def test_released_dimensions_give_the_network_that_timm_calls_mci3() -> None:
    import timm

    with torch.device("meta"):
        ours = vision_encoder.construct(RELEASED).tower
        theirs = timm.create_model("fastvit_mci3", inference_mode=True, num_classes=0)
    # The printed form holds every layer with its kernel, stride, padding, groups and eps.
    assert str(ours) == str(theirs)
    assert sum(p.numel() for p in ours.parameters()) == 122_714_208


def test_released_names_are_renamed_one_to_one() -> None:
    with torch.device("meta"):
        state = vision_encoder.construct(RELEASED).tower.state_dict()
    tensors = expected_tensors.vision_encoder(RELEASED)
    del tensors["head.proj"]
    renamed = {timm_name(name, RELEASED): shape for name, shape in tensors.items()}
    assert len(renamed) == len(tensors) == 628
    assert renamed == {name: tuple(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("patch_embed.1.reparam_conv.bias", "stem.1.reparam_conv.bias"),
        ("network.0.1.layer_scale", "stages.0.blocks.1.layer_scale.gamma"),
        ("network.5.proj.0.lkb_reparam.bias", "stages.3.downsample.proj.0.reparam_conv.bias"),
        ("network.6.reparam_conv.weight", "stages.3.pos_emb.reparam_conv.weight"),
        ("network.9.reparam_conv.weight", "stages.4.pos_emb.reparam_conv.weight"),
        ("network.7.3.layer_scale_2", "stages.3.blocks.3.layer_scale_2.gamma"),
        ("network.10.1.convffn.conv.bn.bias", "stages.4.blocks.1.mlp.conv.bn.bias"),
        ("conv_exp.se.reduce.weight", "final_conv.se.fc1.weight"),
    ],
)
def test_names_in_timm(name: str, expected: str) -> None:
    assert timm_name(name, RELEASED) == expected


def test_the_squeeze_width_is_the_checkpoints() -> None:
    with torch.device("meta"):
        tower = vision_encoder.construct(replace(RELEASED, squeeze_dim=40)).tower
    assert tower.state_dict()["final_conv.se.fc1.weight"].shape[0] == 40


@pytest.fixture
def _attention_not_fused() -> Iterator[None]:
    from timm.layers import config

    before = config.use_fused_attn()
    config.set_fused_attn(False)
    yield
    config.set_fused_attn(before)


@pytest.mark.usefixtures("_attention_not_fused")
def test_attention_is_fused_whatever_the_environment_says() -> None:
    with torch.device("meta"):
        tower = vision_encoder.construct(RELEASED).tower
    fused = [module.fused_attn for module in tower.modules() if hasattr(module, "fused_attn")]
    assert fused == [True] * 6
