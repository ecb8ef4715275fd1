"""A merge on the tiny checkpoint: the values, and whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.folder import NESTED, Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.merging.merge import MergeOptions, merge
from mobileo_export.merging.plan import component_of
from tests.merging.merges import differing, merged

from ..surgery import change, configure, load, save
from .adapters import (
    ALPHA,
    CONNECTOR,
    DOWN,
    EMBEDDINGS,
    HEAD,
    PREFIX,
    RANK,
    WEIGHTS,
    K,
    Q,
    bfloat16,
    factors,
    random,
    write,
)  # fmt: skip

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


SCALE = ALPHA / RANK


def expected(
    base: Checkpoint, values: dict[str, NDArray[np.float32]], module: str, scale: float = SCALE
) -> NDArray[np.uint16]:
    """W + scale · B A in float64, rounded once: written without the product's arithmetic."""
    weight = base.read(module + ".weight", "released").astype(np.float64)
    kind = "embedding_" if module == EMBEDDINGS else ""
    found = {
        part: next(v for n, v in values.items() if f"{module}.lora_{kind}{part}" in n)
        for part in "AB"
    }
    product = found["B"].astype(np.float64) @ found["A"].astype(np.float64)
    return bfloat16(weight + scale * (product.T if kind else product))


def stored(checkpoint: Checkpoint, name: str) -> NDArray[Any]:
    return safetensors_file.raw(checkpoint.info(name, "released"))


# --- values


def test_merged_values_are_exact(base: Checkpoint, adapter: Path, tmp_path: Path) -> None:
    values = {name: array for name, (_, array) in load(adapter / WEIGHTS).items()}
    output = merged(base, adapter, tmp_path / "out")
    modules = (Q, K, DOWN, EMBEDDINGS)
    for module in modules:
        wanted = expected(base, values, module)
        assert np.array_equal(stored(output, module + ".weight"), wanted), module
    assert differing(base, output) == {module + ".weight" for module in modules}


def test_digests_differ_only_where_they_should(
    base: Checkpoint, adapter: Path, tmp_path: Path
) -> None:
    output = merged(base, adapter, tmp_path / "out")
    changed = {
        name
        for name, spec in COMPONENTS.items()
        if base.digest(spec.tensors(base.model), "released")
        != output.digest(spec.tensors(output.model), "released")
    }
    assert changed == {"llm"}
    assert output.model == base.model


def test_alpha_rank_and_patterns_decide_the_scale(base: Checkpoint, tmp_path: Path) -> None:
    values = factors(base, Q, rank=2) | factors(base, K, seed=5) | factors(base, DOWN, seed=9)
    write(
        tmp_path / "a", values, use_rslora=True,
        rank_pattern={"q_proj": 2}, alpha_pattern={r"layers\.1\.self_attn\.k_proj": 5},
    )  # fmt: skip
    output = merged(base, tmp_path / "a", tmp_path / "out")
    scales = {Q: ALPHA / 2**0.5, K: 5 / RANK**0.5, DOWN: ALPHA / RANK**0.5}
    for module, scale in scales.items():
        wanted = expected(base, values, module, scale)
        assert np.array_equal(stored(output, module + ".weight"), wanted), module


@pytest.mark.parametrize("dtype", ["F32", "F16"])
def test_the_base_s_dtype_is_kept(tiny_copy: Path, tmp_path: Path, dtype: str) -> None:
    path = tiny_copy / "model.safetensors"
    base = Checkpoint.open(tiny_copy)
    kind = safetensors_file.RAW_DTYPES[dtype]
    weight = base.read(Q + ".weight", "released")
    change(tiny_copy, {Q + ".weight": (dtype, weight.astype(kind))})
    assert path.is_file()
    base = Checkpoint.open(tiny_copy)
    values = factors(base, Q)
    output = merged(base, write(tmp_path / "a", values), tmp_path / "out")
    a, b = (values[f"{PREFIX}{Q}.lora_{part}.weight"].astype(np.float64) for part in "AB")
    wanted = (base.read(Q + ".weight", "released") + SCALE * (b @ a)).astype(kind)
    assert np.array_equal(stored(output, Q + ".weight"), wanted)


def test_whole_tensors_replace_the_base_s(base: Checkpoint, tmp_path: Path) -> None:
    """Saved modules under PEFT's names and a training state's, and biases of wrapped layers."""
    head = random(base.top_level[HEAD + ".weight"].shape)
    connector = random(base.top_level[CONNECTOR].shape, 1)
    bias = random(base.top_level[Q + ".bias"].shape, 2)
    values = {
        **factors(base, K),
        f"{PREFIX}{HEAD}.modules_to_save.default.weight": head,
        f"{PREFIX}{HEAD}.original_module.weight": head * 2,
        f"{PREFIX}{Q}.base_layer.bias": bias,
    }
    write(tmp_path / "a", values)
    beside = {f"module.{PREFIX}{CONNECTOR}": ("F32", connector)}
    save(tmp_path / "a" / "non_lora_trainables.safetensors", beside)
    output = merged(base, tmp_path / "a", tmp_path / "out")
    wanted = {HEAD + ".weight": head, CONNECTOR: connector, Q + ".bias": bias}
    for name, array in wanted.items():
        assert np.array_equal(stored(output, name), bfloat16(array.astype(np.float64))), name
    assert differing(base, output) == {*wanted, K + ".weight"}


@pytest.mark.parametrize(
    "prefix",
    ["", "base_model.model.", "base_model.model.language_model.", "module.base_model.model.",
     "model.language_model."],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".weight", ".default.weight"])
def test_names_of_every_wrapping_are_found(
    base: Checkpoint, tmp_path: Path, prefix: str, suffix: str
) -> None:
    values = factors(base, Q)
    name = Q.removeprefix("model.") if prefix.endswith("model.language_model.") else Q
    renamed = {
        f"{prefix}{name}.lora_{part}{suffix}": values[f"{PREFIX}{Q}.lora_{part}.weight"]
        for part in "AB"
    }
    output = merged(base, write(tmp_path / "a", renamed), tmp_path / "out")
    assert np.array_equal(stored(output, Q + ".weight"), expected(base, values, Q))
    assert differing(base, output) == {Q + ".weight"}


def test_convolutions_are_merged(base: Checkpoint, tmp_path: Path) -> None:
    name = "model.dit.transformer_blocks.0.ff.conv_inverted"
    rows, columns = base.top_level[name + ".weight"].shape[:2]
    a, b = random((RANK, columns, 1, 1)), random((rows, RANK, 1, 1), 1)
    values = {f"{PREFIX}{name}.lora_A.weight": a, f"{PREFIX}{name}.lora_B.weight": b}
    output = merged(base, write(tmp_path / "a", values), tmp_path / "out")
    delta = b[:, :, 0, 0].astype(np.float64) @ a[:, :, 0, 0].astype(np.float64)
    weight = base.read(name + ".weight", "released").astype(np.float64)
    wanted = bfloat16(weight + SCALE * delta[:, :, None, None])
    assert np.array_equal(stored(output, name + ".weight"), wanted)


@pytest.mark.parametrize("prefix", [PREFIX, "transformer."])
def test_an_adapter_of_the_diffusion_transformer_alone(
    base: Checkpoint, tmp_path: Path, prefix: str
) -> None:
    """As PEFT saves one of diffusers' SanaTransformer2DModel, with a rank of its own."""
    inside = "transformer_blocks.0.attn1.to_q"
    name = f"model.dit.{inside}"
    values = factors(base, name, rank=2)
    renamed = {key.replace(PREFIX + "model.dit.", prefix): v for key, v in values.items()}
    adapter = write(tmp_path / "a", renamed, rank_pattern={r"transformer_blocks\.\d+\..*to_q": 2})
    output = merged(base, adapter, tmp_path / "out")
    wanted = expected(base, values, name, ALPHA / 2)
    assert np.array_equal(stored(output, name + ".weight"), wanted)
    assert differing(base, output) == {name + ".weight"}


@pytest.mark.parametrize(
    "wrapped",
    [
        Q.replace(".layers.1.", ".layers.1._fsdp_wrapped_module."),
        "_orig_mod." + Q,
        "module._orig_mod." + Q,
    ],
)
def test_what_wrapped_the_model_in_training_is_taken_off(
    base: Checkpoint, tmp_path: Path, wrapped: str
) -> None:
    values = factors(base, Q)
    renamed = {key.replace(Q, wrapped): value for key, value in values.items()}
    output = merged(base, write(tmp_path / "a", renamed), tmp_path / "out")
    assert np.array_equal(stored(output, Q + ".weight"), expected(base, values, Q))


@pytest.mark.parametrize("module", [HEAD, EMBEDDINGS])
def test_a_tied_head_is_untied_when_one_side_was_trained(
    tiny_copy: Path, tmp_path: Path, module: str
) -> None:
    change(tiny_copy, {HEAD + ".weight": None})
    configure(tiny_copy, {"tie_word_embeddings": True})
    base = Checkpoint.open(tiny_copy)
    assert base.model.llm.tie_word_embeddings
    shape = base.top_level[EMBEDDINGS + ".weight"].shape
    if module == EMBEDDINGS:
        values = factors(base, EMBEDDINGS)
        wanted = expected(base, values, EMBEDDINGS)
    else:
        values = {
            f"{PREFIX}{HEAD}.lora_A.weight": random((RANK, shape[1])),
            f"{PREFIX}{HEAD}.lora_B.weight": random((shape[0], RANK), 1),
        }
        a, b = (v.astype(np.float64) for v in values.values())
        table = base.read(EMBEDDINGS + ".weight", "released").astype(np.float64)
        wanted = bfloat16(table + SCALE * (b @ a))
    report = merge(base, write(tmp_path / "a", values), tmp_path / "out", MergeOptions())
    output = Checkpoint.open(tmp_path / "out")
    assert any("shares its embeddings" in warning for warning in report.warnings)
    assert output.config["tie_word_embeddings"] is False
    assert not output.model.llm.tie_word_embeddings
    assert output.model.warnings == ()
    other = HEAD if module == EMBEDDINGS else EMBEDDINGS
    assert np.array_equal(stored(output, module + ".weight"), wanted)
    assert np.array_equal(stored(output, other + ".weight"), stored(base, EMBEDDINGS + ".weight"))


def test_a_tied_head_stays_tied_otherwise(tiny_copy: Path, tmp_path: Path) -> None:
    change(tiny_copy, {HEAD + ".weight": None})
    base = Checkpoint.open(tiny_copy)
    output = merged(base, write(tmp_path / "a", factors(base, Q)), tmp_path / "out")
    assert output.model.llm.tie_word_embeddings


# --- nested copies


def test_promoting_puts_the_nested_values_at_top_level(base: Checkpoint, tmp_path: Path) -> None:
    output = merged(base, None, tmp_path / "out", weights="post-trained")
    for name in base.top_level:
        wanted = base.info(name, "post-trained")
        assert np.array_equal(stored(output, name), safetensors_file.raw(wanted)), name
    for spec in COMPONENTS.values():
        names = spec.tensors(base.model)
        assert output.digest(names, "released") == base.digest(names, "post-trained")
    changed = differing(base, output)
    assert {component_of(name) for name in changed} == {"vision_encoder", "mcp", "dit", "llm"}
    nested = base.compare_nested()
    assert nested is not None
    assert len(changed) == nested.differing


def test_an_adapter_goes_on_top_of_promoted_values(base: Checkpoint, tmp_path: Path) -> None:
    name = "model.dit.transformer_blocks.0.attn2.to_q"
    values = factors(base, name)
    output = merged(base, write(tmp_path / "a", values), tmp_path / "out", weights="post-trained")
    weight = base.read(name + ".weight", "post-trained").astype(np.float64)
    a, b = (v.astype(np.float64) for v in values.values())
    assert np.array_equal(stored(output, name + ".weight"), bfloat16(weight + SCALE * (b @ a)))


def test_a_nested_copy_without_namesake_is_refused(tiny_copy: Path, tmp_path: Path) -> None:
    name = "model.dit.proj_out.bias"
    change(tiny_copy, {NESTED + name: ("BF16", np.zeros(3, np.uint16))})
    with pytest.raises(CheckpointError, match=r"proj_out\.bias has shape \[3\]"):
        merge(Checkpoint.open(tiny_copy), None, tmp_path / "out", MergeOptions("post-trained"))
    assert not (tmp_path / "out").exists()


def test_nothing_to_merge_is_refused(base: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to merge: name an --adapter, or --weights post"):
        merge(base, None, tmp_path / "out", MergeOptions())
