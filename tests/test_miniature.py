"""The shipped miniature: whole, small, and as good after the export as before."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mobileo_export import assets, components
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import hub
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.safetensors_file import to_bfloat16
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from mobileo_export.errors import UsageError
from mobileo_export.evaluation import run
from mobileo_export.pipelines.model import open_model

if TYPE_CHECKING:
    from mobileo_export.evaluation.results import Results
    from tests.command import Command
    from tests.exports import Exports

LIMIT = 8_000_000  # bytes of weights that a package should carry at most
NESTED = "base_model.model."
SUITES = ["draw", "edit", "ask", "chat"]


@pytest.fixture(scope="module")
def bundle(exported: Exports) -> Path:
    return exported(assets.miniature(), source_name=assets.MINIATURE)


@pytest.fixture(scope="module")
def jetson(exported: Exports) -> Path:
    return exported(assets.miniature(), target="jetson", source_name=assets.MINIATURE)


def judged(source: str, names: list[str]) -> Results:
    with open_model(source, keep=True) as model:
        return run.evaluate(model, run.select(names, 2, seed=11), seed=11)


def is_good(results: Results) -> None:
    """A few of every set are enough to tell; BENCHMARKS.md has many."""
    scores = {score.suite: score for score in results.scores()}  # the last is that of all of it
    assert scores.keys() == {"draw", "edit", "ask", "chat"}
    assert scores["ask"].rate >= 0.8
    assert scores["chat"].rate >= 0.7
    assert scores["draw"].rate >= 0.6
    assert scores["edit"].rate >= 0.5


def right(results: Results) -> int:
    return sum(outcome.right for outcome in results.outcomes)


def test_it_is_whole_and_small() -> None:
    checkpoint = Checkpoint.open(assets.miniature())
    for spec in components.COMPONENTS.values():
        spec.check(checkpoint)
    components.check_foreign(checkpoint)
    assert not checkpoint.nested
    assert "mobileo_export" not in checkpoint.config  # by which parity takes weights for random
    assert {info.dtype for info in checkpoint.top_level.values()} == {"BF16", "I64"}
    assert sum(path.stat().st_size for path in checkpoint.files) <= LIMIT


def test_it_is_ours_and_everything_says_so(bundle: Path, command: Command) -> None:
    stated = {
        "weights": "Apache-2.0",
        "weights_source": "mobileo-export, trained from nothing on drawn shapes",
        "toolkit": "Apache-2.0",
    }
    assert manifest.read(bundle)["license"] == stated
    notice = (bundle / "NOTICE.txt").read_text()
    assert "Licence of the weights: Apache-2.0\n" in notice
    for path in ("", "transformer.mlpackage"):
        shown = command("inspect", bundle / path, "--json").out
        assert "Apache-2.0" in shown
        assert not re.search("CC.BY|Amshaker", shown + notice)
    line = "licence of the weights: Apache-2.0, from mobileo-export"
    assert line in command("inspect", assets.MINIATURE).out
    assert line in command("inspect", bundle).out


def test_its_name_opens_it_wherever_one_is(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / assets.MINIATURE).mkdir()  # a folder of that name is ./miniature
    opened = hub.resolve(assets.MINIATURE, None, offline=True, quiet=True)
    assert (opened.name, opened.revision) == (assets.MINIATURE, None)
    assert opened.checkpoint.path == assets.miniature()
    with pytest.raises(UsageError, match="--revision goes with a hub id"):
        hub.resolve(assets.MINIATURE, "main", offline=True, quiet=True)
    np.savez(tmp_path / "x.npz", stacked_hidden_states=np.zeros((1, 4, 8, 128), np.float32))
    done = command(
        "run", "miniature", "mcp", "--inputs", "x.npz", "-o", "y.npz", "--runtime", "mil"
    )
    assert done.code == 2
    assert "a checkpoint runs on the torch runtime only" in done.err


def test_an_installation_without_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(UsageError, match=r"the miniature is not installed; reinstall"):
        assets.miniature()


def test_the_released_layout_is_promoted_to_what_is_shipped(
    command: Command, tmp_path: Path
) -> None:
    """As released: what the last stage trained lies in nested copies, older values on top."""
    shipped = Checkpoint.open(assets.miniature())
    weights = "model.safetensors"
    nested = shutil.copytree(
        assets.miniature(), tmp_path / "nested", ignore=shutil.ignore_patterns(weights)
    )
    trained = ("model.dit.", "model.diffusion_connector.", "model.mm_projector.")
    copies = [name for name in shipped.top_level if name.startswith(trained)]
    plan = {
        name: (info.dtype, info.shape)
        for name, info in (
            *shipped.top_level.items(),
            *((NESTED + name, shipped.top_level[name]) for name in copies),
        )
    }
    with SafetensorsWriter(nested / weights, plan) as writer:
        for name, (dtype, _) in plan.items():
            values = shipped.read(name.removeprefix(NESTED), "released")
            if name in copies:
                values = np.zeros_like(values)  # what training has replaced
            integer = dtype == "I64"
            writer.write(name, values.astype(np.int64) if integer else to_bfloat16(values))
    assert Checkpoint.open(nested).nested
    merged = tmp_path / "promoted"
    done = command("merge-lora", "--base", nested, "--weights", "post-trained", "-o", merged)
    assert done.code == 0, done.err
    promoted = Checkpoint.open(merged)
    assert promoted.top_level.keys() == shipped.top_level.keys()
    for name in shipped.top_level:
        np.testing.assert_array_equal(
            promoted.read(name, "released"), shipped.read(name, "released"), err_msg=name
        )


@pytest.fixture(scope="module")
def before() -> Results:
    return judged(assets.MINIATURE, SUITES)


def test_it_still_can_what_it_could_before_the_export(before: Results, bundle: Path) -> None:
    after = judged(str(bundle), SUITES)
    is_good(before)
    is_good(after)
    assert right(before) - right(after) <= 1


def test_for_a_board_it_draws_answers_and_edits_as_well(before: Results, jetson: Path) -> None:
    """By ONNX Runtime and the pipelines that the board runs."""
    after = judged(str(jetson), SUITES)
    is_good(after)
    assert right(before) - right(after) <= 1


def test_the_answers_do_not_come_without_looking(bundle: Path) -> None:
    """The same questions about other pictures get other answers: the judge can fail."""
    todo = run.select(["ask"], 4, seed=3)
    with open_model(str(bundle), keep=True) as model:
        right = run.evaluate(model, todo).scores()[-1].rate
        scenes = [item.scene for item in todo]
        shuffled = [
            type(item)(**{**vars(item), "scene": scene})
            for item, scene in zip(todo, scenes[5:] + scenes[:5], strict=True)
        ]
        wrong = run.evaluate(model, shuffled).scores()[-1].rate
    assert right - wrong >= 0.25


@pytest.mark.parametrize("name", ["inspect", "doctor"])
def test_it_is_known_by_name(command: Command, name: str) -> None:
    done = command(name, "miniature", "--json")
    assert done.code == 0, done.err
    assert "vision_encoder" in done.out
