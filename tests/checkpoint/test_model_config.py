"""Dimensions derived from config.json and tensor shapes; contradictions are refused by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobileo_export.checkpoint import diffusion_config, model_config
from mobileo_export.checkpoint.fields import FILES
from mobileo_export.checkpoint.model_config import MCP, PROJECTOR, VISION
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import CheckpointError
from mobileo_export.random_checkpoint import models
from mobileo_export.random_checkpoint import write as random_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.model_config import ModelConfig

Shapes = dict[str, tuple[int, ...]]
TINY = models.model("tiny")
# What a released config.json says that decides anything.
CONFIG: dict[str, Any] = {
    "hidden_size": 128,
    "image_aspect_ratio": "pad",
    "intermediate_size": 384,
    "max_position_embeddings": 2048,
    "mm_vision_tower": "mobileclip_tiny_256",
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "tie_word_embeddings": False,
    "vlm_num_layers": 4,
    "vocab_size": 512,
}


def shapes(model: ModelConfig = TINY) -> Shapes:
    """The shapes of every top-level tensor."""
    plan = random_checkpoint.tensors(model, nested=False)
    return {name: shape for name, (_, shape) in plan.items()}


def derive(tensors: Shapes | None = None, **changes: Any) -> ModelConfig:
    """Derive the tiny model from a changed configuration (``...`` removes a field)."""
    config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not ...}
    return model_config.derive(
        config, shapes() if tensors is None else tensors, models.model("tiny").diffusion
    )


# --- honest checkpoints


@pytest.mark.parametrize("variant", models.VARIANTS)
@pytest.mark.parametrize(("layers", "blocks"), [(None, None), (1, 0), (3, 1), (2, 5)])
def test_every_dimension_is_recovered(variant: str, layers: int | None, blocks: int | None) -> None:
    model = models.model(variant, layers, blocks)
    llm = model.llm
    config = {
        "image_aspect_ratio": "pad",
        "intermediate_size": llm.intermediate_size,
        "max_position_embeddings": llm.max_position_embeddings,
        "mm_vision_tower": f"mobileclip_x_{model.vision.image_size}",
        "num_attention_heads": llm.num_attention_heads,
        "num_hidden_layers": llm.num_hidden_layers,
        "num_key_value_heads": llm.num_key_value_heads,
        "rope_theta": llm.rope_theta,
        "vlm_num_layers": model.mcp.num_layers,
    }
    assert model_config.derive(config, shapes(model), model.diffusion) == model


def test_the_released_sizes() -> None:
    model = models.model("0.5b")
    assert (model.image_size, model.vision.num_tokens, model.vision.stride) == (512, 256, 64)
    assert (model.llm.head_dim, models.model("1.5b").llm.head_dim) == (64, 128)
    assert (TINY.image_size, TINY.vision.num_tokens) == (64, 16)


def test_a_checkpoint_without_clip_head() -> None:
    tensors = shapes()
    del tensors[VISION + "head.proj"]
    model = derive(tensors)
    assert model.vision.clip_dim is None
    assert VISION + "head.proj" not in COMPONENTS["vision_encoder"].tensors(model)


# --- what the configuration gets wrong, and the tensors settle


@pytest.mark.parametrize("flag", [True, False, ...])
@pytest.mark.parametrize("stored", [True, False])
def test_tensors_decide_whether_the_head_is_tied(flag: Any, stored: bool) -> None:
    tensors = shapes()
    if not stored:
        del tensors["lm_head.weight"]
    model = derive(tensors, tie_word_embeddings=flag)
    assert model.llm.tie_word_embeddings is not stored
    wrong = flag is stored
    assert len(model.warnings) == wrong
    if wrong:
        assert f"tie_word_embeddings {str(flag).lower()}" in model.warnings[0]
        assert ("stored" if stored else "absent") in model.warnings[0]


def test_the_embedding_table_decides_the_vocabulary() -> None:
    model = derive(vocab_size=151936)
    assert model.llm.vocab_size == 512
    assert "vocab_size 151936, the embedding table has 512 rows" in model.warnings[0]


def test_a_missing_k_is_read_from_layer_weights() -> None:
    model = derive(vlm_num_layers=...)
    assert model.mcp.num_layers == 4
    assert "no vlm_num_layers; layer_weights gives 4" in model.warnings[0]
    assert derive().warnings == ()


# --- contradictions


def test_another_k_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"vlm_num_layers 8, but .*layer_weights has 4"):
        derive(vlm_num_layers=8)


def test_more_fused_layers_than_the_model_has_are_refused() -> None:
    tensors = shapes() | {MCP + "layer_weights": (9,)}
    with pytest.raises(CheckpointError, match=r"vlm_num_layers is 9 but .* only 4 layers"):
        derive(tensors, vlm_num_layers=9)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (MCP + "input_compress.0.weight", (64, 256), "takes 256 channels but hidden_size is 128"),
        (MCP + "output_proj.0.weight", (96, 64), "gives 96 channels but the DiT expects 192"),
        (VISION + "conv_exp.reparam_conv.weight", (250, 1, 3, 3), "250 channels from 128"),
    ],
)
def test_tensors_of_another_model_are_refused(
    name: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        derive(shapes() | {name: shape})


@pytest.mark.parametrize(
    "name",
    [
        "model.embed_tokens.weight",
        MCP + "layer_weights",
        MCP + "input_compress.0.weight",
        MCP + "output_proj.0.weight",
        MCP + "sequence_refiners.0.channel_attn.fc.0.weight",
        VISION + "conv_exp.reparam_conv.weight",
        VISION + "conv_exp.se.reduce.weight",
        VISION + "network.4.0.convffn.fc1.weight",
    ],
)
@pytest.mark.parametrize("shape", [None, (), (0, 0), (1, 2, 3), (0, 5, 1, 1)])
def test_a_tensor_that_fixes_a_dimension_is_needed(
    name: str, shape: tuple[int, ...] | None
) -> None:
    tensors = shapes()
    del tensors[name]
    if shape is not None:
        tensors[name] = shape
    wanted = "missing" if shape is None else "has shape"
    with pytest.raises(CheckpointError, match=f"tensor {name.replace('.', '[.]')} .*{wanted}"):
        derive(tensors)


def test_no_vision_tower_is_refused() -> None:
    tensors = {name: shape for name, shape in shapes().items() if not name.startswith(VISION)}
    with pytest.raises(CheckpointError, match="no vision tower"):
        derive(tensors)


@pytest.mark.parametrize("tower", ["", "mobileclip_l", "mobileclip_l_5", "x_12345", 1024, None])
def test_a_tower_name_without_size_is_refused(tower: Any) -> None:
    with pytest.raises(CheckpointError, match=r"mm_vision_tower .* does not end in an image size"):
        derive(mm_vision_tower=tower)


@pytest.mark.parametrize("tower", ["mobileclip_l_250", "mobileclip_l_00", "mobileclip_l_0000"])
def test_a_tower_size_that_does_not_fit_the_stride_is_refused(tower: str) -> None:
    with pytest.raises(CheckpointError, match="not a multiple of the tower's stride 64"):
        derive(mm_vision_tower=tower)


@pytest.mark.parametrize(
    "key", ["intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"]
)
@pytest.mark.parametrize(
    "value", [..., None, True, 0, -4, 4.0, "4", [4], float("nan"), 1 << 31, 10**400]
)
def test_an_absurd_count_is_refused(key: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=f"config.json: {key} is .*positive integer"):
        derive(**{key: value})


@pytest.mark.parametrize("key", ["rms_norm_eps", "rope_theta"])
@pytest.mark.parametrize(
    "value", [None, True, 0, -1e-6, "1e-6", [1e-6], float("nan"), float("inf"), 10**400]
)
def test_an_absurd_number_is_refused(key: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=f"config.json: {key} is .*positive number"):
        derive(**{key: value})


def test_a_number_of_layers_that_nothing_stores_is_refused_at_once() -> None:
    with pytest.raises(CheckpointError, match="num_hidden_layers 2147483647, but 4 layers"):
        derive(num_hidden_layers=(1 << 31) - 1)


@pytest.mark.parametrize(("heads", "pairs"), [(3, 1), (4, 3), (256, 2)])
def test_heads_that_do_not_divide_are_refused(heads: int, pairs: int) -> None:
    with pytest.raises(CheckpointError, match="do not divide a hidden size of 128"):
        derive(num_attention_heads=heads, num_key_value_heads=pairs)


@pytest.mark.parametrize("value", [896, "128", None])
def test_another_hidden_size_is_refused(value: Any) -> None:
    with pytest.raises(CheckpointError, match=r"hidden_size .* has 128 columns"):
        derive(hidden_size=value)


# --- anything at all

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
_FIELDS = st.sampled_from([*CONFIG, *FILES["config.json"]])
_NAMES = st.sampled_from(sorted(shapes()))
_EXTRA = st.sampled_from(
    [
        VISION + "network.٣.0.x",
        VISION + "network." + "9" * 5000 + ".0.token_mixer.reparam_conv.weight",
        VISION + "network.11.a.b",
        VISION + "network.",
        MCP + "sequence_refiners.٣.norm.weight",
        MCP + "sequence_refiners.7.norm.weight",
        "model.layers.99999.mlp.up_proj.weight",
        "model.layers.4.mlp.up_proj.weight",
        PROJECTOR,
        "",
    ]
)


@given(
    st.dictionaries(_FIELDS, _JSON, max_size=3),
    st.dictionaries(_NAMES | _EXTRA, st.lists(st.integers(0, 300), max_size=5).map(tuple)),
    st.lists(_NAMES, max_size=2),
)
@settings(max_examples=200)
def test_any_configuration_is_derived_or_refused(
    config: dict[str, Any], changed: Shapes, removed: list[str]
) -> None:
    tensors = {name: s for name, s in (shapes() | changed).items() if name not in removed}
    try:
        model = derive(tensors, **config)
    except CheckpointError:
        return
    for component in COMPONENTS.values():
        component.tensors(model)
        component.inputs(model)
        component.outputs(model)


def test_the_tiny_config_is_the_one_written(tiny_checkpoint: Path) -> None:
    written = json.loads((tiny_checkpoint / "config.json").read_text())
    assert {key: written[key] for key in CONFIG} == CONFIG
    assert diffusion_config.find("diffusion", tiny_checkpoint) == TINY.diffusion
