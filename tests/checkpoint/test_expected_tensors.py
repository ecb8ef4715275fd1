"""The layout is what the published file and the real libraries say, name by name."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.folder import NESTED
from mobileo_export.checkpoint.safetensors_file import tensor_bytes
from mobileo_export.random_checkpoint import models
from mobileo_export.random_checkpoint import write as random_checkpoint

if TYPE_CHECKING:
    from mobileo_export.checkpoint.expected_tensors import Layout

PUBLISHED_BYTES = 4_775_658_842
HALF, LARGE, TINY = (models.model(variant) for variant in ("0.5b", "1.5b", "tiny"))
every_model = pytest.mark.parametrize("model", [HALF, LARGE, TINY], ids=list(models.VARIANTS))


def count(tensors: Layout) -> int:
    """Parameters: all tensors but the buffers."""
    buffers = ("running_mean", "running_var", "num_batches_tracked", "temperature")
    return sum(math.prod(shape) for name, shape in tensors.items() if not name.endswith(buffers))


def state(module: Any) -> Layout:
    """Names and shapes of a real module's state."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


# --- the published file


def test_the_published_size_follows_from_the_layout() -> None:
    plan = random_checkpoint.tensors(HALF)
    position, entries = 0, {}
    for name in sorted(plan, key=lambda name: (plan[name][0] != "I64", name)):
        dtype, shape = plan[name]
        end = position + tensor_bytes(dtype, shape)
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    header = len(json.dumps(entries, separators=(",", ":")))
    assert 8 + -(-header // 8) * 8 + position == PUBLISHED_BYTES


@pytest.mark.parametrize(
    "other",
    [
        replace(HALF, llm=replace(HALF.llm, vocab_size=151936)),
        replace(HALF, llm=replace(HALF.llm, tie_word_embeddings=True)),
        replace(HALF, mcp=replace(HALF.mcp, num_layers=8)),
        replace(HALF, mcp=replace(HALF.mcp, num_refinement_blocks=1)),
    ],
)
def test_no_neighbouring_model_has_the_published_size(other: Any) -> None:
    sizes = [
        sum(tensor_bytes(*entry) for entry in random_checkpoint.tensors(model).values())
        for model in (HALF, other)
    ]
    assert sizes[0] != sizes[1]


def test_the_released_tensors_are_counted_right() -> None:
    names = list(random_checkpoint.tensors(HALF))
    nested = [name for name in names if name.startswith(NESTED)]
    assert (len(names), len(nested)) == (3080, 1207)
    assert sum(name.endswith("num_batches_tracked") for name in names) == 88
    assert len(random_checkpoint.tensors(HALF, nested=False)) == 1873


def test_the_parameters_of_the_half_billion_model() -> None:
    vision, vae = expected_tensors.vision_encoder(HALF.vision), HALF.diffusion.vae
    assert (len(vision), count(vision)) == (629, 125_073_504)
    assert count(vision) - math.prod(vision["head.proj"]) == 122_714_208
    assert count(expected_tensors.image_projector(HALF.vision, HALF.llm)) == 3_557_120
    assert count(expected_tensors.mcp(HALF.mcp)) == 2_440_452
    assert (
        len(expected_tensors.dit(HALF.diffusion.dit)),
        count(expected_tensors.dit(HALF.diffusion.dit)),
    ) == (
        548,
        591_747_872,
    )
    decoder, encoder = expected_tensors.vae_decoder(vae), expected_tensors.vae_encoder(vae)
    assert (len(decoder), count(decoder)) == (196, 159_223_171)
    assert (len(encoder), count(encoder)) == (179, 153_027_104)
    llm = expected_tensors.language_model(HALF.llm)
    layers = {name: shape for name, shape in llm.items() if ".layers." in name}
    assert (len(layers), count(layers)) == (288, 357_897_216)
    assert count(llm) == 357_897_216 + 2 * 135_877_504 + 896
    top = {n: shape for n, (_, shape) in random_checkpoint.tensors(HALF, nested=False).items()}
    assert count(top) == 1_664_722_343


def test_the_parameters_of_the_larger_model() -> None:
    assert count(expected_tensors.mcp(LARGE.mcp)) == 2_768_132
    dit = expected_tensors.dit(LARGE.diffusion.dit)
    assert (len(dit), count(dit)) == (396, 1_604_462_752)
    llm = expected_tensors.language_model(LARGE.llm)
    layers = {name: shape for name, shape in llm.items() if ".layers." in name}
    assert count(layers) == 28 * 46_797_824


@pytest.mark.parametrize(
    ("model", "blocks", "wanted"),
    [
        (HALF, 0, 1_646_852),
        (HALF, 1, 2_043_652),
        (HALF, 2, 2_440_452),
        (LARGE, 0, 1_974_532),
        (LARGE, 1, 2_371_332),
        (LARGE, 2, 2_768_132),
    ],
)
def test_the_parameters_of_the_mcp(model: Any, blocks: int, wanted: int) -> None:
    config = replace(model.mcp, num_refinement_blocks=blocks)
    assert count(expected_tensors.mcp(config)) == wanted
    assert count(expected_tensors.mcp(replace(config, num_layers=7))) == wanted + 3


def test_a_tied_head_is_not_stored() -> None:
    tied = expected_tensors.language_model(replace(TINY.llm, tie_word_embeddings=True))
    assert tied.keys() ^ expected_tensors.language_model(TINY.llm).keys() == {"lm_head.weight"}


# --- the real libraries


def timm_layout(vision: Any) -> Layout:
    """Our layout under timm's names, by the mapping that was found for the released model."""
    renamed = {}
    for name, shape in expected_tensors.vision_encoder(vision).items():
        if name == "head.proj":
            continue
        new = name
        if match := re.match(r"network\.(\d+)\.(.*)", name):
            index, rest = int(match[1]), match[2]
            stage = (0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4)[index]
            if rest.startswith("proj."):
                new = f"stages.{stage}.downsample.{rest}"
            elif index in {6, 9}:
                new = f"stages.{stage}.pos_emb.{rest}"
            else:
                new = f"stages.{stage}.blocks.{rest}"
        for ours, theirs in (
            ("patch_embed.", "stem."),
            ("conv_exp.", "final_conv."),
            ("lkb_reparam", "reparam_conv"),
            ("convffn", "mlp"),
            ("se.reduce", "se.fc1"),
            ("se.expand", "se.fc2"),
        ):
            new = new.replace(ours, theirs)
        renamed[re.sub(r"(layer_scale(_[12])?)$", r"\1.gamma", new)] = shape
    return renamed


def test_the_vision_tower_is_timm_s_fastvit_mci3() -> None:
    torch, timm = pytest.importorskip("torch"), pytest.importorskip("timm")
    with torch.device("meta"):
        tower = timm.create_model("fastvit_mci3", inference_mode=True, num_classes=0)
    wanted = state(tower)
    assert timm_layout(HALF.vision) == wanted
    assert len(wanted) == 628


def test_the_tiny_vision_tower_is_the_same_network() -> None:
    torch = pytest.importorskip("torch")
    fastvit = pytest.importorskip("timm.models.fastvit")
    encoding = partial(fastvit.RepConditionalPosEnc, spatial_shape=(7, 7))
    vision = TINY.vision
    with torch.device("meta"):
        tower = fastvit.FastVit(
            layers=tuple(stage.num_blocks for stage in vision.stages),
            embed_dims=tuple(stage.dim for stage in vision.stages),
            token_mixers=("repmixer",) * 3 + ("attention",) * 2,
            mlp_ratios=(4,) * 5,
            se_downsamples=(False,) * 5,
            downsamples=(False, True, True, True, True),
            pos_embs=(None, None, None, encoding, encoding),
            cls_ratio=2.0,
            lkc_use_act=True,
            norm_layer=fastvit.LayerNorm2d,
            num_classes=0,
            inference_mode=True,
        )
    assert timm_layout(vision) == state(tower)


@every_model
def test_the_dit_is_diffusers(model: Any) -> None:
    torch, diffusers = pytest.importorskip("torch"), pytest.importorskip("diffusers")
    with torch.device("meta"):
        module = diffusers.SanaTransformer2DModel(**asdict(model.diffusion.dit))
    assert expected_tensors.dit(model.diffusion.dit) == state(module)


@pytest.mark.parametrize("model", [HALF, TINY], ids=["0.5b", "tiny"])
def test_the_vae_is_diffusers(model: Any) -> None:
    torch, diffusers = pytest.importorskip("torch"), pytest.importorskip("diffusers")
    vae = model.diffusion.vae
    with torch.device("meta"):
        module = diffusers.AutoencoderDC(**asdict(vae))
    assert expected_tensors.vae_decoder(vae) == state(module.decoder)
    assert expected_tensors.vae_encoder(vae) == state(module.encoder)


@pytest.mark.parametrize("tied", [False, True])
@every_model
def test_the_language_model_is_transformers(model: Any, tied: bool) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    llm = replace(model.llm, tie_word_embeddings=tied)
    fields = {key: value for key, value in asdict(llm).items() if key != "rope_theta"}
    with torch.device("meta"):
        module = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**fields))
    wanted = state(module)
    if tied:
        del wanted["lm_head.weight"]  # transformers lists the shared table twice
    assert expected_tensors.language_model(llm) == wanted
