"""Values become what ``mlx_lm.convert(dtype="float16")`` makes of them, in any split into parts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors import safe_open

from mobileo_export.artifacts.mlx.plan import plan
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.converters.mlx import weights
from mobileo_export.errors import CheckpointError, ConversionError

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint
    from tests.converters.mlx.conftest import Rewrite

NORM = "model.norm.weight"
QUERY = "model.layers.1.self_attn.q_proj.weight"


def write(checkpoint: Checkpoint, path: Path, bits: int = 8) -> Path:
    planned = plan(checkpoint.model, bits)
    weights.write(path, planned, weights.sources(checkpoint, planned, "released"))
    return path


def stored(path: Path, name: str) -> np.ndarray:
    return np.array(safetensors_file.raw(safetensors_file.read_header(path)[name]))


def raw(checkpoint: Checkpoint, name: str) -> np.ndarray:
    return np.array(safetensors_file.raw(checkpoint.info(name, "released")))


def test_every_bfloat16_is_rounded_as_torch_and_mlx_round_it(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    mx = pytest.importorskip("mlx.core")
    every = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    every = every[every.float().abs() < 65520]  # the rest is infinite in float16
    head = np.zeros_like(raw(checkpoint, "lm_head.weight"))
    head.reshape(-1)[: len(every)] = every.view(torch.uint16).numpy()
    path = write(rewritten({"lm_head.weight": ("BF16", head)}), tmp_path / "w", 16)
    found = stored(path, "language_model.lm_head.weight").view("<u2")
    by_torch = torch.from_numpy(head).view(torch.bfloat16).half().view(torch.uint16).numpy()
    by_mlx = np.array(mx.array(head).view(mx.bfloat16).astype(mx.float16)).view("<u2")
    assert np.array_equal(found, by_torch)
    assert np.array_equal(found, by_mlx)


@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_the_dtype_that_holds_the_same_values_makes_no_difference(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path, dtype: str
) -> None:
    wide = checkpoint.read(QUERY, "released")
    values = wide.astype(safetensors_file.RAW_DTYPES[dtype])
    other = rewritten({QUERY: (dtype, values)})
    assert (
        write(other, tmp_path / "a").read_bytes() == write(checkpoint, tmp_path / "b").read_bytes()
    )


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_parts_and_threads_do_not_show_in_the_bytes(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    whole = write(checkpoint, tmp_path / "whole", bits).read_bytes()
    monkeypatch.setattr(weights, "PART", 1000)  # no whole number of rows of any matrix
    assert write(checkpoint, tmp_path / "parts", bits).read_bytes() == whole


def test_the_file_says_that_it_is_mlx(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with safe_open(write(checkpoint, tmp_path / "w"), framework="np") as file:
        assert file.metadata() == {"format": "mlx"}


def test_a_failure_stops_the_other_threads(checkpoint: Checkpoint, tmp_path: Path) -> None:
    def fail(done: int, total: int) -> None:
        raise OSError("disk full")

    planned = plan(checkpoint.model)
    found = weights.sources(checkpoint, planned, "released")
    before = threading.active_count()
    with pytest.raises(OSError, match="disk full"):
        weights.write(tmp_path / "w", planned, found, fail)
    assert threading.active_count() == before
    assert not (tmp_path / "w").exists()


def test_progress_counts_parameters_up_to_all(checkpoint: Checkpoint, tmp_path: Path) -> None:
    planned = plan(checkpoint.model)
    calls: list[tuple[int, int]] = []
    found = weights.sources(checkpoint, planned, "released")
    weights.write(tmp_path / "w", planned, found, lambda done, total: calls.append((done, total)))
    assert {total for _, total in calls} == {planned.parameters}
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert calls[-1][0] == planned.parameters


@pytest.mark.parametrize("name", [NORM, QUERY])
@pytest.mark.parametrize("value", [65520.0, -70000.0])
def test_refuses_what_float16_cannot_hold(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path, name: str, value: float
) -> None:
    values = checkpoint.read(name, "released")
    values.reshape(-1)[-1] = value
    with pytest.raises(ConversionError, match=r"^[^\n]*$") as error:
        write(rewritten({name: ("F32", values)}), tmp_path / "w")
    assert f"tensor {name} holds a value of magnitude {abs(value):g}" in str(error.value)
    assert not (tmp_path / "w").exists()


def test_takes_the_largest_value_of_float16(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path
) -> None:
    values = checkpoint.read(NORM, "released")
    values[0], values[1] = 65519.0, -65504.0  # 65519 rounds down
    path = write(rewritten({NORM: ("F32", values)}), tmp_path / "w")
    assert stored(path, f"language_model.{NORM}")[:2].tolist() == [65504.0, -65504.0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_a_damaged_checkpoint(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path, value: float
) -> None:
    values = checkpoint.read(QUERY, "released")
    values[5, 7] = value
    with pytest.raises(CheckpointError, match=f"{QUERY} holds NaN or infinity"):
        write(rewritten({QUERY: ("F32", values)}), tmp_path / "w")
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("dtype", ["I32", "F64"])
def test_refuses_what_is_no_half_or_single_precision(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path, dtype: str
) -> None:
    values = checkpoint.read(NORM, "released").astype(safetensors_file.RAW_DTYPES[dtype])
    with pytest.raises(CheckpointError, match=f"{NORM} has dtype {dtype}"):
        write(rewritten({NORM: (dtype, values)}), tmp_path / "w")
