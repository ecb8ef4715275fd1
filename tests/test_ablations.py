"""The paper's ablations travel: every K and number of refinement blocks exports and is right."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mobileo_export import components
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.model_config import MCP, derive
from mobileo_export.components import COMPONENTS, SEQUENCE, check_foreign
from mobileo_export.errors import UsageError
from mobileo_export.parity.compare import compare_bundle
from mobileo_export.random_checkpoint import models
from mobileo_export.random_checkpoint import write as random_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from tests.exports import Exports

# Every K of the paper, every number of blocks.
COVERING = [(1, 0), (2, 1), (4, 2), (8, 0)]


@pytest.mark.parametrize(("layers", "blocks"), COVERING)
def test_the_mcp_follows_k_and_its_blocks(
    exported: Exports, tmp_path: Path, layers: int, blocks: int
) -> None:
    check_travels(exported, tmp_path, layers, blocks, "mcp")


def test_a_whole_bundle_of_the_largest_follows(exported: Exports, tmp_path: Path) -> None:
    check_travels(exported, tmp_path, 8, 1, None)


def check_travels(
    exported: Exports, folder: Path, layers: int, blocks: int, only: str | None
) -> None:
    """Write, export, compare; K is where readers of a bundle look for it."""
    path = random_checkpoint.write(
        folder / "checkpoint", "tiny", mcp_layers=layers, refinement_blocks=blocks
    )
    checkpoint = Checkpoint.open(path)
    bundle = exported(path, only)
    content = manifest.read(bundle)

    width, depth = checkpoint.model.llm.hidden_size, checkpoint.model.llm.num_hidden_layers
    assert depth == max(layers, 4)
    assert content["recipe"]["hidden_states"] == layers
    assert content["model"]["mcp"]["num_layers"] == layers
    assert content["model"]["mcp"]["num_refinement_blocks"] == blocks
    sequence = {
        "name": "N",
        "min": SEQUENCE.low,
        "max": SEQUENCE.high,
        "default": SEQUENCE.default,
    }
    stacked = content["components"]["mcp"]["inputs"][0]
    assert stacked["name"] == "stacked_hidden_states"
    assert stacked["shape"] == [1, layers, sequence, width]
    if "llm" in content["components"]:
        assert content["components"]["llm"]["outputs"][0]["shape"] == stacked["shape"]

    # The other packages do not depend on either.
    comparison = compare_bundle(bundle, checkpoint, components.select("mcp"), "mil")
    assert not comparison.failures()
    assert comparison.ok
    noticed, total = comparison.controls()
    assert noticed == total > 0


def test_the_number_of_hidden_states_is_part_of_the_result(tmp_path: Path) -> None:
    """A bundle of another K is not taken for this one's."""
    paths = [
        random_checkpoint.write(tmp_path / str(k), "tiny", mcp_layers=k, nested=False)
        for k in (2, 4)
    ]
    two, four = map(Checkpoint.open, paths)
    names = COMPONENTS["mcp"].tensors(two.model)
    assert two.digest(names, "released") != four.digest(names, "released")


# --- full size, without writing it


@pytest.mark.parametrize("variant", ["0.5b", "1.5b"])
@pytest.mark.parametrize("layers", [1, 2, 4, 8])
@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_full_size_layouts_follow(variant: str, layers: int, blocks: int) -> None:
    model = models.model(variant, layers, blocks)
    plan = random_checkpoint.tensors(model)
    shapes = {name: shape for name, (_, shape) in plan.items()}
    assert shapes[MCP + "layer_weights"] == (layers,)
    config = random_checkpoint.config(model)
    ended = replace(model, end_token_ids=(config["eos_token_id"],))
    assert derive(config, shapes, model.diffusion) == ended
    # The paper's parameter counts: 1.7 M without refinement, 2.4 M with two blocks (0.5B).
    parameters = sum(
        math.prod(shape)
        for name, shape in shapes.items()
        if name.startswith(MCP) and not expected_tensors.is_buffer(name)
    )
    plain = {"0.5b": 1_646_852, "1.5b": 1_974_532}[variant]
    assert parameters == plain + 396_800 * blocks + layers - 4
    default = random_checkpoint.tensors(models.model(variant))
    others = {name for name in default if MCP not in name}
    assert others == {name for name in plan if MCP not in name}
    assert all(plan[name] == default[name] for name in others)


@pytest.mark.parametrize(("variant", "most"), [("tiny", 32), ("0.5b", 24), ("1.5b", 28)])
def test_more_hidden_states_than_layers_are_refused(variant: str, most: int) -> None:
    assert models.model(variant, most).mcp.num_layers == most
    message = f"mcp_layers is {most + 1}; {variant} has {most} layers at most, choose 1 to {most}"
    with pytest.raises(UsageError, match=message):
        models.model(variant, most + 1)


def test_the_command_takes_the_paper_s_largest(tmp_path: Path) -> None:
    path = random_checkpoint.write(tmp_path / "k8", "tiny", 0, 8, 1)
    checkpoint = Checkpoint.open(path)
    for component in COMPONENTS.values():
        component.check(checkpoint)
    check_foreign(checkpoint)
    assert checkpoint.config["vlm_num_layers"] == checkpoint.config["num_hidden_layers"] == 8
