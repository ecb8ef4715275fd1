"""Tensors of a checkpoint that should not be what they are, and some that may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint import safetensors_file, tensor_names
from mobileo_export.checkpoint.folder import NESTED, Checkpoint
from mobileo_export.checkpoint.model_config import MCP, VISION
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import CheckpointError
from tests import surgery
from tests.checkpoint.folders import BIAS, bfloat16, check_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


COUNTER = VISION + "network.0.0.convffn.conv.bn.num_batches_tracked"


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_missing_tensor_is_named(tiny_copy: Path, component: str) -> None:
    spec = COMPONENTS[component]
    name = sorted(spec.tensors(Checkpoint.open(tiny_copy).model))[7]
    surgery.change(tiny_copy, {name: None})
    checkpoint = Checkpoint.open(tiny_copy)
    with pytest.raises(CheckpointError, match=f"tensor {name} is missing; .*--only"):
        spec.check(checkpoint)
    for other in COMPONENTS.values():
        if other is not spec:
            other.check(checkpoint)


@pytest.mark.parametrize("prefix", ["", NESTED])
def test_a_misshapen_tensor_is_named(tiny_copy: Path, prefix: str) -> None:
    surgery.change(tiny_copy, {prefix + BIAS: bfloat16(1, 2, 3)})
    with pytest.raises(CheckpointError) as caught:
        check_all(Checkpoint.open(tiny_copy))
    assert f"tensor {prefix}{BIAS} has shape [3], the configuration asks for [128]" in str(
        caught.value
    )


@pytest.mark.parametrize("prefix", ["", NESTED])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (MCP + "surprise.weight", "different models"),
        ("model.layers.0.self_attn.q_proj.lora_A.default.weight", "merge the adapter"),
        ("model.vae.quantizer.weight", "does not know that model"),
        ("vision_model.weight", "does not know that model"),
    ],
)
def test_an_unexpected_tensor_is_named(tiny_copy: Path, prefix: str, name: str, hint: str) -> None:
    surgery.change(tiny_copy, {prefix + name: bfloat16(1, 2)})
    with pytest.raises(CheckpointError, match=f"tensor {prefix + name} is unexpected; .*{hint}"):
        check_all(Checkpoint.open(tiny_copy))


def test_the_vae_encoder_may_be_absent(tiny_copy: Path) -> None:
    tensors = surgery.load(tiny_copy / "model.safetensors")
    encoder = [name for name in tensors if name.startswith("model.vae.encoder.")]
    assert len(encoder) == 50
    surgery.change(tiny_copy, dict.fromkeys(encoder))
    check_all(Checkpoint.open(tiny_copy))


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        (BIAS, ("F64", np.zeros(128))),
        (BIAS, ("I64", np.zeros(128, np.int64))),
        (BIAS, ("U8", np.zeros(128, np.uint8))),
        (NESTED + BIAS, ("BOOL", np.zeros(128, np.bool_))),
        (COUNTER, ("F64", np.zeros(()))),
        (COUNTER, ("BOOL", np.zeros((), np.bool_))),
    ],
)
def test_a_dtype_that_weights_do_not_have_is_refused(
    tiny_copy: Path, name: str, tensor: surgery.Tensor
) -> None:
    surgery.change(tiny_copy, {name: tensor})
    with pytest.raises(CheckpointError, match=f"tensor {name} is {tensor[0]}; weights must be"):
        check_all(Checkpoint.open(tiny_copy))


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
def test_a_counter_that_was_cast_is_still_a_counter(tiny_copy: Path, dtype: str) -> None:
    raw: Any = np.array(7, np.float16 if dtype == "F16" else np.float32)
    stored = safetensors_file.to_bfloat16(raw) if dtype == "BF16" else raw
    surgery.change(tiny_copy, {COUNTER: (dtype, stored)})
    checkpoint = Checkpoint.open(tiny_copy)
    check_all(checkpoint)
    found = checkpoint.read(COUNTER, "released")
    assert found.dtype == np.int64
    assert int(found) == 7


def frequencies(theta: float, dtype: str, count: int) -> surgery.Tensor:
    values = (theta ** (-np.arange(count) / count)).astype(np.float32)
    if dtype == "BF16":
        return dtype, safetensors_file.to_bfloat16(values)
    return dtype, values.astype(np.float16 if dtype == "F16" else np.float32)


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
@pytest.mark.parametrize("name", ["model.layers.0.self_attn", "model"])
def test_stored_frequencies_are_left_out(tiny_copy: Path, name: str, dtype: str) -> None:
    plain = Checkpoint.open(tiny_copy)
    llm, key = plain.model.llm, f"{name}.rotary_emb.inv_freq"
    surgery.change(tiny_copy, {key: frequencies(llm.rope_theta, dtype, llm.head_dim // 2)})
    checkpoint = Checkpoint.open(tiny_copy)
    check_all(checkpoint)
    assert checkpoint.top_level.keys() == plain.top_level.keys()
    (note,) = checkpoint.notes
    assert "1 stored buffers rotary_emb.inv_freq are left out" in note


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
def test_frequencies_of_another_theta_are_refused(tiny_copy: Path, dtype: str) -> None:
    llm = Checkpoint.open(tiny_copy).model.llm
    key = "model.layers.0.self_attn.rotary_emb.inv_freq"
    surgery.change(tiny_copy, {key: frequencies(0.8 * llm.rope_theta, dtype, llm.head_dim // 2)})
    with pytest.raises(CheckpointError, match=f"{key} holds other frequencies than rope_theta"):
        check_all(Checkpoint.open(tiny_copy))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: "_orig_mod." + name,
        lambda name: "module." + name,
        lambda name: "module._orig_mod." + name,
        lambda name: name.replace("model.dit.", "model.dit._orig_mod."),
        lambda name: name.replace(".layers.0.", ".layers.0._fsdp_wrapped_module."),
        lambda name: name.replace(".layers.1.", ".layers.1._checkpoint_wrapped_module."),
    ],
)
def test_what_wrapped_the_model_is_no_part_of_a_name(
    tiny_copy: Path, wrap: Callable[[str], str]
) -> None:
    plain = Checkpoint.open(tiny_copy)
    path = tiny_copy / "model.safetensors"
    before = plain.read(BIAS, "released")
    surgery.save(path, {wrap(name): tensor for name, tensor in surgery.load(path).items()})
    checkpoint = Checkpoint.open(tiny_copy)
    check_all(checkpoint)
    assert checkpoint.top_level.keys() == plain.top_level.keys()
    assert checkpoint.nested.keys() == plain.nested.keys()
    assert (checkpoint.read(BIAS, "released") == before).all()
    (note,) = checkpoint.notes
    assert "are read without what torch.compile, FSDP or DataParallel put into" in note


def test_one_tensor_in_two_wrappings_is_refused(tiny_copy: Path) -> None:
    surgery.change(tiny_copy, {"_orig_mod." + BIAS: bfloat16(*[0.0] * 128)})
    with pytest.raises(CheckpointError, match="are the same one in different wrappings"):
        Checkpoint.open(tiny_copy)


def test_a_module_called_module_stays() -> None:
    assert tensor_names.plain("model.module.weight") == "model.module.weight"
    assert tensor_names.plain("model.my_orig_mod.weight") == "model.my_orig_mod.weight"


@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_other_float_dtypes_are_read_exactly(tiny_copy: Path, dtype: str) -> None:
    values = np.linspace(-3, 3, 128).astype(safetensors_file.RAW_DTYPES[dtype])
    surgery.change(tiny_copy, {BIAS: (dtype, values)})
    checkpoint = Checkpoint.open(tiny_copy)
    check_all(checkpoint)
    assert np.array_equal(checkpoint.read(BIAS, "released"), values.astype(np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_when_read(tiny_copy: Path, bad: float) -> None:
    surgery.change(tiny_copy, {BIAS: bfloat16(*[0.0] * 127, bad)})
    checkpoint = Checkpoint.open(tiny_copy)
    check_all(checkpoint)
    with pytest.raises(CheckpointError, match=f"{BIAS} holds NaN or infinity"):
        checkpoint.read(BIAS, "released")
    checkpoint.read(BIAS, "post-trained")
