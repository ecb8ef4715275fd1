"""The folder as a whole: all or nothing, the same every time, light on imports."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.artifacts.mlx.packed import Quantized, quantize
from mobileo_export.artifacts.mlx.plan import plan
from mobileo_export.checkpoint import safetensors_file, tokenizer_files
from mobileo_export.checkpoint.folder import NESTED, Checkpoint
from mobileo_export.converters.mlx import weights
from mobileo_export.converters.mlx.convert import convert
from mobileo_export.errors import CheckpointError, ConversionError, MobileoError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.converters.mlx.conftest import Rewrite

FIRST = "model.mm_projector.0.weight"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_twice_gives_the_same_bytes(checkpoint: Checkpoint, tmp_path: Path) -> None:
    convert(checkpoint, tmp_path / "a", bits=4, exceptions={"lm_head": 8})
    convert(checkpoint, tmp_path / "b", bits=4, exceptions={"lm_head": 8})
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_the_file_is_what_the_plan_said(checkpoint: Checkpoint, tmp_path: Path) -> None:
    result = convert(checkpoint, tmp_path / "llm", bits=4, group_size=32)
    planned = plan(checkpoint.model, 4, 32)
    found = safetensors_file.read_header(tmp_path / "llm" / "model.safetensors")
    assert {name: (info.dtype, info.shape) for name, info in found.items()} == planned.layout
    assert result.nbytes == planned.nbytes == sum(info.nbytes for info in found.values())
    assert result.bits_per_weight == planned.bits_per_weight
    index = json.loads((tmp_path / "llm" / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == dict.fromkeys(planned.layout, "model.safetensors")
    assert index["metadata"] == {
        "total_size": planned.nbytes,
        "total_parameters": planned.parameters,
    }


def test_tokenizer_files_are_copied_verbatim(checkpoint: Checkpoint, tmp_path: Path) -> None:
    result = convert(checkpoint, tmp_path / "llm")
    copied = tokenizer_files.require(checkpoint.path)
    assert {path.name for path in copied} < set(result.files)
    for path in copied:
        assert (tmp_path / "llm" / path.name).read_bytes() == path.read_bytes()
    assert result.files == tuple(contents(result.folder))


def test_imports_neither_torch_nor_mlx(tiny_checkpoint: Path, tmp_path: Path) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from mobileo_export.checkpoint.folder import Checkpoint
        from mobileo_export.converters.mlx.convert import convert
        convert(Checkpoint.open(Path(sys.argv[1])), Path(sys.argv[2]))
        heavy = {"torch", "mlx", "mlx_lm", "transformers", "coremltools"} & sys.modules.keys()
        sys.exit(f"imported {sorted(heavy)}" if heavy else 0)
    """
    arguments = [sys.executable, "-c", code, str(tiny_checkpoint), str(tmp_path / "llm")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "llm" / "model.safetensors").is_file()


def test_post_trained_takes_the_nested_projector(checkpoint: Checkpoint, tmp_path: Path) -> None:
    released = convert(checkpoint, tmp_path / "released", bits=16).folder
    trained = convert(checkpoint, tmp_path / "trained", bits=16, weights="post-trained").folder
    name = "multi_modal_projector.linear_0.weight"
    found, other = (
        safetensors_file.read(safetensors_file.read_header(folder / "model.safetensors")[name])
        for folder in (trained, released)
    )
    nested = safetensors_file.read(checkpoint.nested[FIRST])
    assert np.array_equal(found, nested.astype(np.float16))
    assert not np.array_equal(found, other)


# --- refusals: one line, nothing left behind


def refuse(error: type[MobileoError], checkpoint: Checkpoint, output: Path, **options: Any) -> str:
    before = sorted(output.parent.rglob("*"))
    with pytest.raises(error, match=r"^[^\n]*$") as found:
        convert(checkpoint, output, **options)
    assert sorted(output.parent.rglob("*")) == before
    return str(found.value)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "tokenizer.json"])
def test_refuses_without_a_tokenizer(tiny_checkpoint: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    for lost in {name, "vocab.json"}:
        (folder / lost).unlink()
    assert name in refuse(CheckpointError, Checkpoint.open(folder), tmp_path / "llm")


def test_refuses_values_beyond_float16(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path
) -> None:
    values = checkpoint.read(FIRST, "released")
    values[0, 0] = 1e6
    message = refuse(ConversionError, rewritten({FIRST: ("F32", values)}), tmp_path / "llm")
    assert f"tensor {FIRST} holds a value of magnitude 1e+06" in message


def test_refuses_a_damaged_nested_copy_only_when_it_is_asked_for(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path
) -> None:
    values = checkpoint.read(FIRST, "released")
    values[3, 3] = np.nan
    damaged = rewritten({NESTED + FIRST: ("F32", values)})
    message = refuse(CheckpointError, damaged, tmp_path / "llm", weights="post-trained")
    assert f"tensor {NESTED + FIRST} holds NaN" in message
    convert(damaged, tmp_path / "llm")


def test_refuses_a_missing_and_a_misshapen_tensor(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path
) -> None:
    values = checkpoint.read(FIRST, "released")
    lost = rewritten({"model.norm.weight": None})
    assert "model.norm.weight is missing" in refuse(CheckpointError, lost, tmp_path / "llm")
    shutil.rmtree(lost.path)
    other = rewritten({"model.mm_projector.2.weight": ("F32", values)})
    assert "mm_projector.2.weight has shape" in refuse(CheckpointError, other, tmp_path / "llm")


def test_refuses_post_trained_where_there_is_none(
    checkpoint: Checkpoint, rewritten: Rewrite, tmp_path: Path
) -> None:
    plain = rewritten({NESTED + name: None for name in checkpoint.nested})
    refuse(UsageError, plain, tmp_path / "llm", weights="post-trained")


def test_refuses_an_output_that_exists(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "llm").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("llm", "file", "link"):
        assert "already exists" in refuse(UsageError, checkpoint, tmp_path / name)


def test_refuses_an_output_in_no_folder(checkpoint: Checkpoint, tmp_path: Path) -> None:
    assert "no such folder" in refuse(UsageError, checkpoint, tmp_path / "no" / "llm")


def test_refuses_to_keep_a_file_that_fails_its_check(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(values: np.ndarray, bits: int, group_size: int) -> Quantized:
        weight, scales, biases = quantize(values, bits, group_size)
        return Quantized(weight, scales * 0, biases)

    monkeypatch.setattr(weights, "quantize", broken)
    assert ".scales holds a value" in refuse(ConversionError, checkpoint, tmp_path / "llm")


def test_an_interruption_leaves_nothing(checkpoint: Checkpoint, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(checkpoint, tmp_path / "llm", progress=interrupt)
    assert not list(tmp_path.iterdir())
