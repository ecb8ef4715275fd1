"""The plan states names, dtypes, shapes and bits before any tensor is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mobileo_export.artifacts.mlx.plan import plan
from mobileo_export.errors import UsageError
from mobileo_export.random_checkpoint import models

TINY = models.model("tiny")
QUERY = "language_model.model.layers.0.self_attn.q_proj"


def test_names_and_shapes_are_those_of_apples_app() -> None:
    layout = plan(TINY).layout
    hidden, vocabulary = TINY.llm.hidden_size, TINY.llm.vocab_size
    features = TINY.vision.feature_dim
    assert layout[f"{QUERY}.weight"] == ("U32", (hidden, hidden // 4))
    assert layout[f"{QUERY}.scales"] == ("F16", (hidden, hidden // 64))
    assert layout[f"{QUERY}.biases"] == ("F16", (hidden, hidden // 64))
    assert layout[f"{QUERY}.bias"] == ("F16", (hidden,))
    assert layout["language_model.model.norm.weight"] == ("F16", (hidden,))
    assert layout["language_model.lm_head.weight"] == ("U32", (vocabulary, hidden // 4))
    assert layout["language_model.model.embed_tokens.weight"][1] == (vocabulary, hidden // 4)
    assert layout["multi_modal_projector.linear_0.weight"] == ("U32", (hidden, features // 4))
    assert layout["multi_modal_projector.linear_2.bias"] == ("F16", (hidden,))
    prefixes = {name.partition(".")[0] for name in layout}
    assert prefixes == {"language_model", "multi_modal_projector"}


def test_four_bits_and_groups_of_32_change_the_packing() -> None:
    layout = plan(TINY, bits=4, group_size=32).layout
    hidden = TINY.llm.hidden_size
    assert layout[f"{QUERY}.weight"] == ("U32", (hidden, hidden // 8))
    assert layout[f"{QUERY}.scales"] == ("F16", (hidden, hidden // 32))


def test_sixteen_bits_is_plain_float16() -> None:
    planned = plan(TINY, bits=16)
    assert {dtype for dtype, _ in planned.layout.values()} == {"F16"}
    assert planned.quantization is None
    assert planned.nbytes == 2 * planned.parameters
    assert planned.bits_per_weight == 16


def test_sizes_of_the_released_model() -> None:
    planned = plan(models.model("0.5b"))
    assert planned.parameters == 357_897_216 + 2 * 135_877_504 + 896 + 3_557_120
    matrices = [t for t in planned.tensors if t.is_matrix]
    elements = sum(t.shape[0] * t.shape[1] for t in matrices)
    # 8 bits, and a float16 scale and bias for every 64
    assert planned.nbytes == elements + elements // 16 + 2 * (planned.parameters - elements)
    assert planned.bits_per_weight == pytest.approx(8.501, abs=1e-3)


def test_a_tied_model_has_no_head() -> None:
    tied = replace(TINY, llm=replace(TINY.llm, tie_word_embeddings=True))
    assert not any("lm_head" in name for name in plan(tied).layout)


def test_uniform_bits_need_no_entry_by_module() -> None:
    assert plan(TINY, bits=4, group_size=128).quantization == {"group_size": 128, "bits": 4}


def test_exceptions_are_listed_by_module() -> None:
    planned = plan(TINY, 4, 64, {"lm_head": 8, "model.layers.*.self_attn.q_proj": 16})
    entry = planned.quantization
    assert entry is not None
    assert entry.pop("group_size") == 64
    assert entry.pop("bits") == 4
    assert entry.pop("language_model.lm_head") == {"group_size": 64, "bits": 8}
    layers = range(TINY.llm.num_hidden_layers)
    assert entry == {
        f"language_model.model.layers.{index}.self_attn.q_proj": False for index in layers
    }
    assert planned.layout[f"{QUERY}.weight"] == ("F16", (TINY.llm.hidden_size,) * 2)
    assert f"{QUERY}.scales" not in planned.layout


def test_a_float16_model_with_exceptions_names_what_stays_float16() -> None:
    planned = plan(TINY, 16, 64, {"*.mlp.*": 4, "lm_head": 8})
    entry = planned.quantization
    assert entry is not None
    assert entry["bits"] == 8  # of whatever is quantized and has no entry of its own
    assert "language_model.lm_head" not in entry
    assert entry[QUERY] is False
    assert entry["language_model.model.layers.1.mlp.up_proj"] == {"group_size": 64, "bits": 4}


def test_the_first_pattern_that_fits_decides() -> None:
    first = plan(TINY, 4, 64, {"model.layers.0.*": 8, "model.layers.*": 16})
    bits = {t.module: t.bits for t in first.tensors if t.is_matrix}
    assert bits[QUERY] == 8
    assert bits[QUERY.replace("layers.0", "layers.1")] == 16
    assert bits["language_model.lm_head"] == 4


@pytest.mark.parametrize(
    "pattern", ["model.mm_projector.0", "multi_modal_projector.linear_0", "*.linear_0"]
)
def test_a_module_goes_by_either_name(pattern: str) -> None:
    planned = plan(TINY, 8, 64, {pattern: 16})
    assert planned.quantization == {
        "group_size": 64,
        "bits": 8,
        "multi_modal_projector.linear_0": False,
    }


def test_an_input_that_groups_do_not_divide_stays_float16() -> None:
    odd = replace(TINY, llm=replace(TINY.llm, intermediate_size=352))
    planned = plan(odd, exceptions={"model.layers.0.mlp.down_proj": 4})
    down = tuple(
        f"language_model.model.layers.{index}.mlp.down_proj"
        for index in range(TINY.llm.num_hidden_layers)
    )
    assert planned.unquantized == down
    assert planned.layout[f"{down[0]}.weight"] == ("F16", (TINY.llm.hidden_size, 352))
    assert planned.quantization == {"group_size": 64, "bits": 8, **dict.fromkeys(down, False)}
    assert plan(odd, group_size=32).unquantized == ()


@pytest.mark.parametrize(
    ("bits", "group_size", "exceptions", "message"),
    [
        (7, 64, {}, "bits is 7; MLX has 4, 5, 6, 8, 16"),
        (8, 48, {}, "group size is 48; MLX has 32, 64, 128"),
        (8, 64, {"lm_head": 3}, "bits of 'lm_head' is 3"),
        (8, 64, {"lm_heads": 4}, "'lm_heads' fits no linear layer"),
        (8, 64, {"model.norm": 16}, "'model.norm' fits no linear layer"),
        (8, 64, {"lm_head": 4, "model.vision_tower.*": 4}, "'model.vision_tower.*' fits no"),
    ],
)
def test_refuses_what_mlx_does_not_have(
    bits: int, group_size: int, exceptions: dict[str, int], message: str
) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]*$") as error:
        plan(TINY, bits, group_size, exceptions)
    assert message in str(error.value)
