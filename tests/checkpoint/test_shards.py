"""Weights in one file or several, and the index that says which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.files import tensors_of
from mobileo_export.checkpoint.folder import INDEX, Checkpoint
from mobileo_export.errors import CheckpointError
from tests import surgery
from tests.checkpoint.folders import BIAS, bfloat16, check_all

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("count", [1, 3])
def test_shards_hold_the_same_checkpoint(
    tiny_checkpoint: Path, tiny_copy: Path, count: int
) -> None:
    surgery.shard(tiny_copy, count)
    whole, sharded = Checkpoint.open(tiny_checkpoint), Checkpoint.open(tiny_copy)
    assert sharded.model == whole.model
    assert len(sharded.files) == count
    assert sharded.top_level.keys() == whole.top_level.keys()
    assert sharded.nested.keys() == whole.nested.keys()
    for name in whole.top_level:
        assert surgery.same_bytes(whole.top_level[name], sharded.top_level[name])
    check_all(sharded)


def _beside_shards(folder: Path) -> dict[str, surgery.Tensor]:
    """Shards of other values than the single file; what they hold."""
    single = surgery.load(folder / "model.safetensors")
    surgery.shard(folder)
    for file in folder.glob("model-*.safetensors"):
        surgery.save(
            file, {n: (d, np.zeros_like(values)) for n, (d, values) in surgery.load(file).items()}
        )
    surgery.save(folder / "model.safetensors", single)
    return single


def test_a_single_file_beside_an_index_is_taken(tiny_copy: Path) -> None:
    single = _beside_shards(tiny_copy)
    checkpoint = Checkpoint.open(tiny_copy)
    assert checkpoint.files == (tiny_copy / "model.safetensors",)
    assert (safetensors_file.raw(checkpoint.top_level[BIAS]) == single[BIAS][1]).all()
    (note,) = checkpoint.notes
    assert "model.safetensors is taken, as transformers takes it, and not the shards" in note
    assert INDEX in note


def test_transformers_takes_the_single_file_too(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.Qwen2Config(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2,
    )  # fmt: skip
    model = transformers.Qwen2ForCausalLM(config)
    model.save_pretrained(tmp_path)
    single = (tmp_path / "model.safetensors").read_bytes()
    with torch.no_grad():
        model.model.norm.weight.fill_(7)
    model.save_pretrained(tmp_path, max_shard_size="3KB")
    assert (tmp_path / INDEX).is_file()
    (tmp_path / "model.safetensors").write_bytes(single)
    loaded = transformers.Qwen2ForCausalLM.from_pretrained(tmp_path)
    tensors, notes = tensors_of(tmp_path)
    taken = safetensors_file.read(tensors["model.norm.weight"])
    assert (taken == loaded.model.norm.weight.detach().float().numpy()).all()
    assert (taken == 1).all()
    assert len(notes) == 1


def test_an_index_that_names_the_single_file_is_worth_no_note(tiny_copy: Path) -> None:
    names = surgery.load(tiny_copy / "model.safetensors")
    surgery.reindex(tiny_copy, dict.fromkeys(names, "model.safetensors"))
    assert Checkpoint.open(tiny_copy).notes == ()


def test_an_adapter_beside_the_weights_is_told(tiny_copy: Path) -> None:
    (tiny_copy / "adapter_config.json").write_text("{}")
    (note,) = Checkpoint.open(tiny_copy).notes
    assert "adapter_config.json) is not taken; merge-lora merges it" in note


def test_a_missing_shard_is_named(tiny_copy: Path) -> None:
    surgery.shard(tiny_copy)
    (tiny_copy / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-00002-of-00003\.safetensors: shard is miss"):
        Checkpoint.open(tiny_copy)


def test_a_truncated_shard_is_named(tiny_copy: Path) -> None:
    surgery.shard(tiny_copy)
    path = tiny_copy / "model-00003-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model-00003-of-00003\.safetensors: not a readable"):
        Checkpoint.open(tiny_copy)


def test_a_tensor_missing_from_its_shard_is_named(tiny_copy: Path) -> None:
    weight_map = surgery.shard(tiny_copy)
    file = tiny_copy / weight_map[BIAS]
    surgery.save(file, {name: t for name, t in surgery.load(file).items() if name != BIAS})
    with pytest.raises(CheckpointError, match=f"{file.name}: tensor {BIAS} is missing from its"):
        Checkpoint.open(tiny_copy)


def test_a_tensor_in_another_shard_than_indexed_is_refused(tiny_copy: Path) -> None:
    weight_map = surgery.shard(tiny_copy)
    others = sorted(set(weight_map.values()) - {weight_map[BIAS]})
    surgery.reindex(tiny_copy, weight_map | {BIAS: others[0]})
    with pytest.raises(CheckpointError, match=f"tensor {BIAS} is not where"):
        Checkpoint.open(tiny_copy)


def test_a_tensor_in_two_shards_is_refused(tiny_copy: Path) -> None:
    weight_map = surgery.shard(tiny_copy)
    other = tiny_copy / min(set(weight_map.values()) - {weight_map[BIAS]})
    surgery.save(other, {**surgery.load(other), BIAS: bfloat16(*[0.0] * 128)})
    indexed = weight_map[BIAS]
    with pytest.raises(
        CheckpointError,
        match=f"{other.name}: tensor {BIAS} is also in {indexed}.*every tensor once",
    ):
        Checkpoint.open(tiny_copy)


def test_a_tensor_that_the_index_does_not_know_is_refused(tiny_copy: Path) -> None:
    weight_map = surgery.shard(tiny_copy)
    surgery.reindex(tiny_copy, {n: file for n, file in weight_map.items() if n != BIAS})
    with pytest.raises(CheckpointError, match=f"tensor {BIAS} is not in {INDEX}"):
        Checkpoint.open(tiny_copy)


@pytest.mark.parametrize(
    "name",
    [
        "../tiny/model-00001-of-00003.safetensors",
        "/etc/passwd",
        "sub/model.safetensors",
        "..",
        "",
        "weights.bin",
        "a\0.safetensors",
        "x" * 5000 + ".safetensors",
        5,
        None,
        ["model-00001-of-00003.safetensors"],
    ],
)
def test_a_shard_name_that_is_no_plain_file_is_refused(tiny_copy: Path, name: Any) -> None:
    weight_map: dict[str, Any] = dict(surgery.shard(tiny_copy))
    surgery.reindex(tiny_copy, weight_map | {BIAS: name})
    with pytest.raises(CheckpointError, match="is not a plain safetensors file") as caught:
        Checkpoint.open(tiny_copy)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("weight_map", [None, [], {}, "model.safetensors"])
def test_an_index_without_map_is_refused(tiny_copy: Path, weight_map: Any) -> None:
    surgery.reindex(tiny_copy, weight_map)
    (tiny_copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="has no weight_map"):
        Checkpoint.open(tiny_copy)


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000])
def test_an_index_that_is_no_object_is_refused(tiny_copy: Path, content: str) -> None:
    (tiny_copy / "model.safetensors.index.json").write_text(content)
    (tiny_copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"index\.json: (cannot be read|holds no JSON)"):
        Checkpoint.open(tiny_copy)
