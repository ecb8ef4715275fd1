"""The files of a random checkpoint: the released layout, values that a seed and a name decide."""

from __future__ import annotations

import filecmp
import json
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.folder import INDEX, Checkpoint
from mobileo_export.checkpoint.model_config import MCP
from mobileo_export.random_checkpoint import models
from mobileo_export.random_checkpoint import weights as random_weights
from mobileo_export.random_checkpoint import write as random_checkpoint
from tests import surgery
from tests.checkpoint.folders import check_all
from tests.random_checkpoint.tiny import TINY

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def test_it_is_a_complete_checkpoint(checkpoint: Checkpoint) -> None:
    check_all(checkpoint)
    assert replace(checkpoint.model, end_token_ids=()) == TINY
    assert checkpoint.model.end_token_ids == (506, 508)  # of generation_config.json
    assert checkpoint.model.warnings == ()
    dtypes = {name: info.dtype for name, info in checkpoint.top_level.items()}
    counters = {name for name, dtype in dtypes.items() if dtype == "I64"}
    assert counters == {name for name in dtypes if name.endswith("num_batches_tracked")}
    assert set(dtypes.values()) == {"BF16", "I64"}


def test_the_same_seed_gives_the_same_bytes(tiny_checkpoint: Path, tmp_path: Path) -> None:
    again = random_checkpoint.write(tmp_path / "again", "tiny")
    compared = filecmp.dircmp(tiny_checkpoint, again)
    assert not compared.left_only
    assert not compared.right_only
    names = [str(path.relative_to(again)) for path in again.rglob("*") if path.is_file()]
    assert filecmp.cmpfiles(tiny_checkpoint, again, names, shallow=False)[0] == names


def test_another_seed_changes_every_random_tensor(checkpoint: Checkpoint, tmp_path: Path) -> None:
    other = Checkpoint.open(random_checkpoint.write(tmp_path / "other", "tiny", seed=1))
    same = {
        name
        for name, info in checkpoint.top_level.items()
        if surgery.same_bytes(info, other.top_level[name])
    }
    constant = {name for name in checkpoint.top_level if name.endswith("num_batches_tracked")}
    assert same == constant | {MCP + "temperature"}


def test_a_tensor_depends_on_its_name_only(checkpoint: Checkpoint, tmp_path: Path) -> None:
    other = Checkpoint.open(
        random_checkpoint.write(
            tmp_path / "other", "tiny", mcp_layers=2, refinement_blocks=1, nested=False
        )
    )
    assert not other.nested
    shared = other.top_level.keys() - {MCP + "layer_weights"}
    assert len(shared) > 300
    for name in shared:
        assert surgery.same_bytes(checkpoint.top_level[name], other.top_level[name]), name


def test_values_do_not_depend_on_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (40, 1, 3, 3)
    init = random_weights.Init(std=0.1, mean=1.0, centre=5.0, spread=0.5)
    monkeypatch.setattr(random_weights, "PART", 100)
    assert random_weights.parts(shape) == 4
    parts = [random_weights.values(0, "x", shape, init, part) for part in range(4)]
    assert [part.size for part in parts] == [100, 100, 100, 60]
    kernels = np.concatenate(parts).reshape(shape)
    centres, rest = kernels[:, 0, 1, 1].copy(), kernels.copy()
    rest[:, 0, 1, 1] -= 5
    assert centres.mean() == pytest.approx(6, abs=0.2)
    slope = np.linspace(0.5, 1.5, 360)
    assert (rest.reshape(-1) - slope).std() == pytest.approx(0.1, rel=0.2)
    assert np.unique(kernels).size == 360
    noise = random_weights.Init(std=1.0)
    first, second = (random_weights.values(0, "x", shape, noise, part) for part in (0, 1))
    assert abs(correlation(first, second)) < 0.4


def correlation(left: NDArray[Any], right: NDArray[Any]) -> float:
    return float(np.corrcoef(left.reshape(-1), right.reshape(-1))[0, 1])


def test_tensors_of_one_shape_are_independent(checkpoint: Checkpoint) -> None:
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in range(4)]
    tensors = [checkpoint.read(name, "released") for name in names]
    for left, right in combinations(tensors, 2):
        assert abs(correlation(left, right)) < 0.03


@pytest.mark.parametrize(("layers", "blocks"), [(1, 0), (3, 1), (4, 3)])
def test_the_mcp_s_layout_can_be_chosen(tmp_path: Path, layers: int, blocks: int) -> None:
    path = random_checkpoint.write(tmp_path / "k", "tiny", 0, layers, blocks)
    checkpoint = Checkpoint.open(path)
    check_all(checkpoint)
    mcp = checkpoint.model.mcp
    assert (mcp.num_layers, mcp.num_refinement_blocks) == (layers, blocks)
    assert checkpoint.config["vlm_num_layers"] == layers


def test_nested_copies_differ_by_about_a_percent(checkpoint: Checkpoint) -> None:
    nested = checkpoint.compare_nested()
    assert nested is not None
    assert nested.orphans == ()
    assert nested.largest_difference == pytest.approx(0.01, rel=0.6)
    name = "model.dit.transformer_blocks.0.ff.conv_inverted.weight"
    difference = surgery.relative_difference(checkpoint.top_level[name], checkpoint.nested[name])
    assert difference == pytest.approx(0.01, rel=0.1)
    assert nested.identical == sum(
        name.endswith(("num_batches_tracked", "temperature")) for name in checkpoint.nested
    )


def test_every_value_is_finite_and_variances_are_positive(checkpoint: Checkpoint) -> None:
    for weights in ("released", "post-trained"):
        for name in checkpoint.top_level:
            values = checkpoint.read(name, weights)
            assert np.abs(values).max() < 1e4, name
            if name.endswith("running_var"):
                assert values.min() > 0.3, name
    assert (checkpoint.read(MCP + "temperature", "released") == 2).all()
    layer_weights = checkpoint.read(MCP + "layer_weights", "released")
    assert np.allclose(layer_weights, np.linspace(0.8, 1.2, 4), atol=0.25)


@pytest.mark.parametrize("variant", models.VARIANTS)
def test_every_tensor_has_an_initialisation_of_its_own_kind(variant: str) -> None:
    model = models.model(variant)
    for name, (dtype, shape) in random_checkpoint.tensors(model, nested=False).items():
        init = random_weights.initialisation(name, shape, model)
        assert init.constant == (dtype == "I64" or name.endswith("temperature")), name
        assert init.std < 1.5, name
        # A normalisation that is not near one (or, in a VAE block, near its branch) is a matrix
        # that the rules took for something else.
        if len(shape) == 1 and name.endswith("weight"):
            assert init.mean in {0.8, 1.0}, name


def test_progress_counts_every_byte(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    path = random_checkpoint.write(
        tmp_path / "tiny", "tiny", progress=lambda *call: calls.append(call)
    )
    done = [call[1] for call in calls]
    assert done == sorted(done)
    assert {call[0] for call in calls} == {"model.safetensors"}
    infos = safetensors_file.read_header(path / "model.safetensors").values()
    assert {call[2] for call in calls} == {sum(info.nbytes for info in infos)} == {done[-1]}


def test_a_large_checkpoint_is_sharded_by_number_of_tensors(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_checkpoint, "_SHARD_BYTES", 3 << 20)
    path = random_checkpoint.write(tmp_path / "sharded", "tiny")
    files = [f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
    assert sorted(file.name for file in path.glob("model*")) == [*files, INDEX]
    counts = [len(safetensors_file.read_header(path / file)) for file in files]
    assert max(counts) - min(counts) <= 3
    sharded = Checkpoint.open(path)
    check_all(sharded)
    for name, info in checkpoint.top_level.items():
        assert surgery.same_bytes(info, sharded.top_level[name])
    index = json.loads((path / INDEX).read_text())
    assert index["metadata"]["total_size"] == sum(
        info.nbytes for info in (*sharded.top_level.values(), *sharded.nested.values())
    )
