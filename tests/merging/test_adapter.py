"""Tensors of an adapter that must be refused: missing factors, sizes, values, files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.errors import UsageError
from tests.merging.refusals import A, B, check_refused

from ..surgery import save
from .adapters import HEAD, PREFIX, RANK, WEIGHTS, Q, factors, random
from .adapters import write as write_adapter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Checkpoint


def refused_with(
    base: Checkpoint, folder: Path, changes: dict[str, NDArray[Any] | None], message: str
) -> None:
    values: dict[str, Any] = {**factors(base, Q), **changes}
    write_adapter(folder / "a", {n: v for n, v in values.items() if v is not None})
    check_refused(base, folder / "a", message)


@pytest.mark.parametrize(("name", "part"), [(A, "A"), (B, "B")])
def test_half_a_pair_is_refused(base: Checkpoint, tmp_path: Path, name: str, part: str) -> None:
    refused_with(base, tmp_path, {name: None}, f"has no lora_{part} beside it")


@pytest.mark.parametrize(
    "name", ["model.layers.9.self_attn.q_proj", "model.layers.1.self_attn.w_proj", "other.q_proj"]
)
def test_a_factor_that_matches_nothing_is_named(
    base: Checkpoint, tmp_path: Path, name: str
) -> None:
    wanted = factors(base, Q)
    renamed: dict[str, NDArray[Any] | None] = {
        f"{PREFIX}{name}.lora_{part}.weight": wanted[f"{PREFIX}{Q}.lora_{part}.weight"]
        for part in "AB"
    }
    message = f"{PREFIX}{name}.lora_A.weight matches no tensor of the base"
    refused_with(base, tmp_path, renamed, re.escape(message))


def test_a_saved_module_that_matches_nothing_is_named(base: Checkpoint, tmp_path: Path) -> None:
    name = PREFIX + "model.score.weight"
    refused_with(base, tmp_path, {name: random((4, 4))}, re.escape(f"{name} matches no tensor"))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (A, (RANK, 64), "does not fit model.layers.1.self_attn.q_proj.weight [128, 128]"),
        (B, (64, RANK), "does not fit model.layers.1.self_attn.q_proj.weight [128, 128]"),
        (PREFIX + HEAD + ".weight", (600, 128), "does not fit lm_head.weight [512, 128]"),
        (A, (RANK,), "has shape [4], but adapter_config.json says rank 4"),
    ],
)
def test_another_size_is_refused(
    base: Checkpoint, tmp_path: Path, name: str, shape: tuple[int, ...], message: str
) -> None:
    refused_with(base, tmp_path, {name: random(shape)}, re.escape(message))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", [A, B, f"{PREFIX}{HEAD}.weight"])
def test_values_that_are_not_finite_are_refused(
    base: Checkpoint, tmp_path: Path, name: str, value: float
) -> None:
    shapes = {A: (RANK, 128), B: (128, RANK)}
    array = random(shapes.get(name, (512, 128)))
    array[3, 2] = value
    refused_with(base, tmp_path, {name: array}, re.escape(f"{name} holds NaN or infinity"))


def test_an_update_beyond_the_dtype_is_refused(base: Checkpoint, tmp_path: Path) -> None:
    changes = {name: values * np.float32(1e20) for name, values in factors(base, Q).items()}
    refused_with(base, tmp_path, dict(changes), "merged values exceed what BF16 holds")


def test_two_adapters_in_one_file_are_refused(base: Checkpoint, tmp_path: Path) -> None:
    other = A.replace(".weight", ".second.weight")
    refused_with(base, tmp_path, {other: random((RANK, 128))}, "are for the same module")


def test_two_names_for_one_tensor_are_refused(base: Checkpoint, tmp_path: Path) -> None:
    values = {name.removeprefix(PREFIX): array for name, array in factors(base, Q).items()}
    refused_with(base, tmp_path, dict(values), f"is a second one for {Q}.weight")


@pytest.mark.parametrize("part", ["lora_magnitude_vector", "lora_A.bias", "lora_B.default.bias"])
def test_other_lora_tensors_are_refused(base: Checkpoint, tmp_path: Path, part: str) -> None:
    write_adapter(tmp_path / "a", {**factors(base, Q), f"{PREFIX}{Q}.{part}": random((128,))})
    check_refused(base, tmp_path / "a", "a kind of LoRA that cannot be merged", UsageError)


def test_counters_and_weights_are_not_exchanged(base: Checkpoint, tmp_path: Path) -> None:
    counter = next(name for name in base.top_level if name.endswith("num_batches_tracked"))
    write_adapter(tmp_path / "a", factors(base, Q))
    beside = tmp_path / "a" / "non_lora_trainables.safetensors"
    save(beside, {counter: ("F32", np.array(3, np.float32))})
    check_refused(base, tmp_path / "a", "num_batches_tracked is F32, .* of the base I64")


def test_folders_without_an_adapter(base: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    check_refused(base, tmp_path / "a", "no adapter_config.json", UsageError)
    check_refused(base, tmp_path / "b", "no adapter_config.json", UsageError)
    write_adapter(tmp_path / "a", factors(base, Q))
    (tmp_path / "a" / WEIGHTS).write_bytes(b"\x08" * 100)
    check_refused(base, tmp_path / "a", "not a readable safetensors file")
    (tmp_path / "a" / WEIGHTS).unlink()
    check_refused(base, tmp_path / "a", "no adapter_model.safetensors", UsageError)


def test_a_file_without_lora_is_refused(base: Checkpoint, tmp_path: Path) -> None:
    write_adapter(tmp_path / "a", {f"{PREFIX}{HEAD}.weight": random((512, 128))})
    check_refused(base, tmp_path / "a", "holds no LoRA tensor")
